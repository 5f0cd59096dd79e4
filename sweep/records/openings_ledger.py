"""The ledger of openings of the sealed test part: one line per opening, written before the test part is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import StudyError
from sweep.records.atomic_writing import sync
from sweep.records.json_files import parse_json

LEDGER_FILE = "test_openings.jsonl"
"""In the study's folder, not in `final/`: removing a result does not undo that it was seen."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Opening:
    """One opening.

    Attributes:
        when: ISO 8601 with offset.
        trial: the trial with the tested model's configuration.
        weights_digest: weights digest of the tested model.
        images: number of images in the test part.
    """

    when: str
    trial: int
    weights_digest: str
    images: int


_OPENING = TypeAdapter(Opening)


def record_opening(study_folder: Path, opening: Opening) -> None:
    """Append an opening such that it survives a power cut; raises StudyError if that fails.

    The test part may be read only after this.
    """
    path = study_folder / LEDGER_FILE
    try:
        with path.open("ab") as stream:
            stream.write(_OPENING.dump_json(opening) + b"\n")
        sync(path)
        sync(study_folder)
    except OSError as error:
        raise StudyError(f"{path}: the opening of the test part cannot be recorded: {error.strerror}") from error


def read_openings(study_folder: Path) -> tuple[Opening, ...]:
    """All openings of a study's test part, the oldest first; raises StudyError for a damaged ledger."""
    path = study_folder / LEDGER_FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StudyError(f"{path}: the openings of the test part cannot be read: {error.strerror}") from error
    return tuple(
        parse_json(_OPENING, line, f"{path}:{number}", StudyError, "an opening of the test part")
        for number, line in enumerate(lines, start=1)
    )


def openings_text(openings: Sequence[Opening]) -> str:
    """Describe the openings for reports, with a warning from the second one on; "" without an opening."""
    if not openings:
        return ""
    first = openings[0].when[:16].replace("T", " ")
    if len(openings) == 1:
        return f"The test set was opened once, on {first}, for trial {openings[0].trial}."
    last = openings[-1]
    return (
        f"WARNING: the test set was opened {len(openings)} times (first on {first}, last on "
        f"{last.when[:16].replace('T', ' ')} for trial {last.trial}). Every choice made after the first opening is "
        "a choice on the test set: its figures are optimistic from the second opening on."
    )
