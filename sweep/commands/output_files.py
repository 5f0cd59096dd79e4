"""Files and folders that the user names with an option of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.errors import UserError
from sweep.records.atomic_writing import atomic_write


@contextmanager
def output_errors(path: Path, option: str) -> Iterator[None]:
    """Turn an OSError of the block into the error that the path given with `option` cannot be written.

    Raises:
        UserError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror or error}; choose another place with {option}"
        ) from error


def make_parent(path: Path, option: str) -> None:
    """Make the folder of a file that an option names.

    Raises:
        UserError: it cannot be made.
    """
    with output_errors(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)


def write_output(path: Path, text: str, option: str) -> None:
    """Write a text file, which an option may name, to an existing folder.

    Raises:
        UserError: it cannot be written.
    """
    with output_errors(path, option), atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")
