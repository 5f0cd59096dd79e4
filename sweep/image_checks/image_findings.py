"""The findings of the doctor, each with the affected images and advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sweep.image_checks.checked_images import CheckedImage, PartName

Level = Literal["problem", "warning", "note"]
"""`problem`: a run refuses the images, or its result would be wrong; `warning`: something is lost or doubtful; `note`:
useful information."""
LEVELS: tuple[Level, ...] = ("problem", "warning", "note")


@dataclass(frozen=True)
class FindingEntry:
    """A file, an image or a class that a finding is about.

    Attributes:
        name: the name of the file, the image or the class.
        label: the name of the image's class; "" if the entry is not an image.
        part: the image's part; None if the entry is not an image that can be shown.
        detail: what is special about this entry.
    """

    name: str
    label: str = ""
    part: PartName | None = None
    detail: str = ""


@dataclass(frozen=True)
class ImageFinding:
    """A finding of the doctor.

    Attributes:
        kind: a stable name, for programs.
        title: one sentence with the number of entries.
        advice: what to do.
        groups: the entries; images that belong together are a group.
    """

    kind: str
    level: Level
    title: str
    advice: str
    groups: tuple[tuple[FindingEntry, ...], ...] = ()

    @property
    def entries(self) -> tuple[FindingEntry, ...]:
        """All entries, group by group."""
        return tuple(entry for group in self.groups for entry in group)


def finding_entry(image: CheckedImage, classes: Sequence[str], detail: str = "") -> FindingEntry:
    """Make an entry from an image."""
    return FindingEntry(image.name, classes[image.label], image.part, detail)


def each(entries: Sequence[FindingEntry]) -> tuple[tuple[FindingEntry, ...], ...]:
    """Put each entry in a group by itself."""
    return tuple((entry,) for entry in entries)


def counted(number: int, one: str, many: str = "") -> str:
    """Return the number and the noun: `1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
