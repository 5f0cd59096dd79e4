"""The ledger of openings of the sealed test set: one line per opening, written before the test set is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.errors import StudyError
from sweep.records.atomic_writing import sync
from sweep.records.json_files import parse_json

LEDGER_FILE = "test_openings.jsonl"
"""The file is in the study's folder, not in `final/`: if a final result is removed, its opening still counts."""


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Opening:
    """One opening of the test set.

    Attributes:
        when: time of the opening, ISO 8601 with offset.
        trial: the trial whose configuration was used for the tested model.
        weights_digest: weights digest of the tested model.
        images: number of images in the test set.
    """

    when: str
    trial: int
    weights_digest: str
    images: int


_OPENING = TypeAdapter(Opening)


def record_opening(study_folder: Path, opening: Opening) -> None:
    """Append an opening to the ledger and sync it to the disk; raises StudyError if that fails.

    The test set must not be read before this call.
    """
    path = study_folder / LEDGER_FILE
    try:
        with path.open("ab") as stream:
            stream.write(_OPENING.dump_json(opening) + b"\n")
        sync(path)
        sync(study_folder)
    except OSError as error:
        raise StudyError(f"{path}: the opening of the test set cannot be recorded: {error.strerror}") from error


def read_openings(study_folder: Path) -> tuple[Opening, ...]:
    """All openings of a study's test set, the oldest first; raises StudyError for a damaged ledger."""
    path = study_folder / LEDGER_FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise StudyError(f"{path}: the openings of the test set cannot be read: {error.strerror}") from error
    return tuple(
        parse_json(_OPENING, line, f"{path}:{number}", StudyError, "an opening of the test set")
        for number, line in enumerate(lines, start=1)
    )


def openings_text(openings: Sequence[Opening]) -> str:
    """Describe the openings for reports, with a warning if there are two or more; "" if there are none."""
    if not openings:
        return ""
    first = openings[0].when[:16].replace("T", " ")
    if len(openings) == 1:
        return f"The test set was opened once, on {first}, for trial {openings[0].trial}."
    last = openings[-1]
    return (
        f"WARNING: the test set was opened {len(openings)} times (first on {first}, last on "
        f"{last.when[:16].replace('T', ' ')} for trial {last.trial}). Choices made after the first opening may "
        "depend on the test set, so its results are optimistic from the second opening on."
    )
