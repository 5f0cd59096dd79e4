"""What the doctor says: findings, each with the images that it is about and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sweep.image_checks.checked_images import CheckedImage, PartName

Level = Literal["problem", "warning", "note"]
"""`problem`: a run would refuse, or its result could not be believed; `warning`: something is lost or doubtful;
`note`: good to know."""
LEVELS: tuple[Level, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class FindingEntry:
    """A file, an image or a class that a finding is about.

    Attributes:
        name: of the file or the image; of the class where it is about one.
        label: name of the image's class; "" where it is about no image.
        part: of the image; None where it is about no image that can be shown.
        detail: what is particular about this one.
    """

    name: str
    label: str = ""
    part: PartName | None = None
    detail: str = ""


@dataclass(frozen=True)
class ImageFinding:
    """One finding.

    Attributes:
        kind: a word that stays the same, for programs.
        title: one sentence with its number.
        advice: what to do.
        groups: what it is about; images that belong together are a group.
    """

    kind: str
    level: Level
    title: str
    advice: str
    groups: tuple[tuple[FindingEntry, ...], ...] = ()

    @property
    def entries(self) -> tuple[FindingEntry, ...]:
        """All of them, group by group."""
        return tuple(entry for group in self.groups for entry in group)


def finding_entry(image: CheckedImage, classes: Sequence[str], detail: str = "") -> FindingEntry:
    """An image as an entry."""
    return FindingEntry(image.name, classes[image.label], image.part, detail)


def each(entries: Sequence[FindingEntry]) -> tuple[tuple[FindingEntry, ...], ...]:
    """Entries that do not belong together."""
    return tuple((entry,) for entry in entries)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
