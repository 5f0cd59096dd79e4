"""Read JSON files of sweep into checked dataclasses; an error names the file and the wrong value."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from sweep.errors import UserError

T = TypeVar("T")


def read_json(adapter: TypeAdapter[T], path: Path, failure: type[UserError], expected: str, advice: str = "") -> T:
    """Read a JSON file; for the arguments and errors see `parse_json`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise failure(f"{path}: cannot be read as {expected}: {error.strerror}") from None
    return parse_json(adapter, content, str(path), failure, expected, advice)


def parse_json(
    adapter: TypeAdapter[T],
    content: str | bytes,
    source: str,
    failure: type[UserError],
    expected: str,
    advice: str = "",
) -> T:
    """Parse and check JSON.

    Args:
        adapter: the type to read.
        content: the JSON text.
        source: the name of the file, for the error message.
        failure: the error to raise.
        expected: what the file should be, with an article: "a trial record".
        advice: a sentence about what to do.

    Raises:
        UserError: the content is not JSON, or does not have the expected type; the error has the class `failure`.
    """
    try:
        return adapter.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole file"
        raise failure(f"{source}: not {expected}: {place}: {first['msg']}. {advice}".rstrip()) from None
