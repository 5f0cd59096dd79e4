"""The folder where Keras keeps the files that it downloads, found without importing Keras."""

from __future__ import annotations

import os
from pathlib import Path


def keras_cache_dir(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """The folder that `keras.utils.get_file` uses, by the rules of `get_file` and of `keras.src.backend.config`.

    Keras uses `/tmp` if it cannot write to the user's home, and `/tmp/.keras` if it cannot write to the chosen folder.

    Args:
        cache_dir: as passed to `get_file`; by default the environment variable KERAS_HOME, else `~/.keras`.
    """
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    chosen = cache_dir or os.environ.get("KERAS_HOME", str(home / ".keras"))
    folder = Path(chosen).expanduser()
    # Keras makes a missing folder when it is imported, so the nearest existing parent must be writable.
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return folder if str(chosen) and os.access(existing, os.W_OK) else Path("/tmp/.keras")
