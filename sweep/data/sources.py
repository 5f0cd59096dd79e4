"""Find the source that a configuration names: a named set, a directory of class folders, or an .npz file."""

from __future__ import annotations

import difflib
import os
from contextlib import suppress
from pathlib import Path

from sweep.data.contents import Source
from sweep.data.decode import folder_source
from sweep.data.named_sets import NAMED_SETS, named_source
from sweep.data.npz_file import npz_source
from sweep.errors import DataError
from sweep.space.config import DataConfig

CHOICES = f"the named sets {', '.join(NAMED_SETS)}; a directory of class folders; an .npz file of images and labels"


def find_source(config: DataConfig) -> Source:
    """Find the source `config.name` without decoding it.

    A named set has precedence over a path of the same name: write `./mnist` for a directory. Raises DataError for a
    name that is none of the three, and for a source that cannot be listed.
    """
    if config.name in NAMED_SETS:
        return named_source(config)
    path = Path(config.name).expanduser()
    try:
        return _path_source(path, config)
    except OSError as error:
        raise _not_listed(config.name, error) from error


def _not_listed(name: str, error: OSError) -> DataError:
    return DataError(f"data `{name}`: cannot be listed: {error}; check the permissions.")


def require_source(name: str) -> None:
    """Raise DataError for a name that is neither a named set nor an existing path, without listing or opening it."""
    try:
        exists = name in NAMED_SETS or Path(name).expanduser().exists()
    except OSError as error:
        raise _not_listed(name, error) from error
    if not exists:
        raise DataError(f"data `{name}`: no named set and no existing path{_guess(name)} Expected: {CHOICES}.")


def _path_source(path: Path, config: DataConfig) -> Source:
    if path.is_dir():
        return folder_source(path, config)
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz_source(path, config)
    require_source(config.name)
    raise DataError(f"data `{config.name}`: the file is not an .npz file. Expected: {CHOICES}.")


def _guess(name: str) -> str:
    """The end of a message: a guess (the named set or path that is most similar to `name`), or only a full stop."""
    directory, _ = os.path.split(name)
    siblings: list[str] = []
    with suppress(OSError):
        siblings = [os.path.join(directory, other) for other in os.listdir(os.path.expanduser(directory) or ".")]
    close = difflib.get_close_matches(name, [*NAMED_SETS, *siblings], n=1)
    return f"; did you mean `{close[0]}`?" if close else "."
