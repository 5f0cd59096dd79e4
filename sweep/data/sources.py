"""From the name in a configuration to a source: a named set, a directory of class folders, or an .npz file."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from sweep.data.contents import Source
from sweep.data.decode import folder_source
from sweep.data.named_sets import NAMED_SETS, named_source
from sweep.data.npz_file import npz_source
from sweep.errors import DataError
from sweep.space.config import DataConfig

CHOICES = f"the named sets {', '.join(NAMED_SETS)}; a directory of class folders; an .npz file of images and labels"


def find_source(config: DataConfig) -> Source:
    """Find what `config.name` means; decodes nothing.

    The name of a set goes before a path of the same name: write `./mnist` for a directory. Raises DataError for a
    name that is none of the three, and for a source that cannot be listed.
    """
    if config.name in NAMED_SETS:
        return named_source(config)
    path = Path(config.name).expanduser()
    try:
        return _path_source(path, config)
    except OSError as error:
        raise _unseen(config.name, error) from error


def _unseen(name: str, error: OSError) -> DataError:
    return DataError(f"data `{name}`: cannot be listed: {error}; check the permissions.")


def require_source(name: str) -> None:
    """Raises DataError for a name that is no named set and no path that can be seen; lists and opens nothing."""
    try:
        there = name in NAMED_SETS or Path(name).expanduser().exists()
    except OSError as error:
        raise _unseen(name, error) from error
    if not there:
        raise DataError(f"data `{name}`: no named set and no existing path{_guess(name)} Possible: {CHOICES}.")


def _path_source(path: Path, config: DataConfig) -> Source:
    if path.is_dir():
        return folder_source(path, config)
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz_source(path, config)
    require_source(config.name)
    raise DataError(f"data `{config.name}`: a file of another kind. Possible are {CHOICES}.")


def _guess(name: str) -> str:
    close = difflib.get_close_matches(name, [*NAMED_SETS, *_siblings(name)], n=1)
    return f"; did you mean `{close[0]}`?" if close else "."


def _siblings(name: str) -> list[str]:
    """What lies in the directory where `name` was expected, written the way `name` is."""
    directory, _ = os.path.split(name)
    try:
        return [os.path.join(directory, other) for other in os.listdir(os.path.expanduser(directory) or ".")]
    except OSError:
        return []
