"""The report on a set of images: examine all of them, judge them, sort the findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

from sweep.data.contents import ProgressCallback, counter
from sweep.data.folder import Listing
from sweep.data.pixels import read_image
from sweep.data.sources import find_source
from sweep.errors import DataError
from sweep.image_checks.checked_images import CheckedImages, PartName, images_of_arrays, images_of_folder, read_one
from sweep.image_checks.folder_survey import survey
from sweep.image_checks.image_findings import LEVELS, FindingEntry, ImageFinding
from sweep.image_checks.judge_classes import judge_classes, judge_groups, part_counts
from sweep.image_checks.judge_duplicates import judge_duplicates
from sweep.image_checks.judge_files import judge_files, judge_survey
from sweep.records.array_types import UInt8Array
from sweep.space.config import DataConfig

ReadPicture: TypeAlias = Callable[[str], UInt8Array]
"""`picture(name)` returns an image's pixels, uint8 (h, w, c); may raise any exception for a damaged file."""

PARTS: tuple[PartName, ...] = ("train", "validation", "test", "unused")


@dataclass(frozen=True)
class ImageReport:
    """The result of checking a data set.

    Attributes:
        description: name of the source in messages.
        images: number of images, including unreadable ones.
        counts: by class, the number of readable images in each of `PARTS`.
        findings: the most severe first.
        picture: returns the pixels of an image, given its name in a finding.
    """

    description: str
    images: int
    counts: dict[str, dict[PartName, int]]
    findings: tuple[ImageFinding, ...]
    picture: ReadPicture

    def of(self, level: str) -> tuple[ImageFinding, ...]:
        """The findings of a level."""
        return tuple(finding for finding in self.findings if finding.level == level)


def check_images(config: DataConfig, progress: ProgressCallback) -> ImageReport:
    """Check every image of `config.name`, split as in a run with this configuration.

    The files of the test set are read too, to find images that are in several parts. Nothing is trained or selected
    here, and the sealed arrays in the cache are not opened.

    Raises DataError if the source cannot be found or listed.
    """
    source = find_source(config)
    if source.listing is not None:
        return _folder(source.listing, config, source.description, progress)
    contents = source.open()
    images = images_of_arrays(contents, config, counter(progress, len(contents)))
    findings = [*judge_classes(images), *judge_duplicates(images, [min(contents.shape[:2])])]
    return _report(source.description, images, findings, partial(read_one, contents))


def _folder(listing: Listing, config: DataConfig, description: str, progress: ProgressCallback) -> ImageReport:
    images = images_of_folder(listing, config, counter(progress, len(listing.files)))
    sides = [min(i.file.width, i.file.height) for i in images.images if i.file is not None and i.image_hash is not None]
    try:
        surveyed = survey(listing)
    except OSError as error:
        raise DataError(f"data `{listing.root}`: cannot be listed: {error}; check the permissions.") from error
    findings = [
        *judge_files(images, config),
        *judge_survey(surveyed),
        *judge_classes(images),
        *judge_groups(listing, config),
        *judge_duplicates(images, sides),
    ]
    return _report(description, images, findings, lambda name: read_image(listing.root / name, 3, None))


def _report(description: str, images: CheckedImages, findings: list[ImageFinding], picture: ReadPicture) -> ImageReport:
    counts = {name: {part: found[part] for part in PARTS} for name, found in part_counts(images).items()}
    ordered = sorted(findings, key=lambda finding: LEVELS.index(finding.level))
    return ImageReport(description, len(images.images), counts, tuple(ordered), picture)


def image_report_mapping(report: ImageReport) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "data": report.description,
        "images": report.images,
        "classes": {name: dict(counts) for name, counts in report.counts.items()},
        "problems": len(report.of("problem")),
        "findings": [
            {**asdict(finding), "groups": [[_entry_mapping(entry) for entry in group] for group in finding.groups]}
            for finding in report.findings
        ],
    }


def _entry_mapping(entry: FindingEntry) -> dict[str, Any]:
    return {"name": entry.name, "class": entry.label, "part": entry.part, "detail": entry.detail}
