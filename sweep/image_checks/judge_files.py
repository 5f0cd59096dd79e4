"""Findings about files: which cannot be decoded, what decoding loses, which are not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sweep.image_checks.checked_images import CheckedImages
from sweep.image_checks.folder_survey import Link, Survey
from sweep.image_checks.image_examination import FileFacts
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, Level, counted, each, finding_entry
from sweep.space.config import DataConfig

LONG_SIDE = 3.0
"""Minimum aspect ratio at which resizing to a square distorts an image too much."""
REPLACE = "Replace or remove them; `data.on_unreadable: skip` leaves them out of a run and counts them."


class _Rule(NamedTuple):
    kind: str
    level: Level
    title: str
    advice: str


_FAULTS = (
    _Rule("empty", "problem", "{} without content", REPLACE),
    _Rule("truncated", "problem", "{} cut off before the end", f"Most likely a copy was interrupted. {REPLACE}"),
    _Rule("corrupt", "problem", "{} that cannot be decoded", REPLACE),
    _Rule("bomb", "problem", "{} that would decode to a giant picture", f"Save them smaller. {REPLACE}"),
    _Rule(
        "missing", "problem", "{} that cannot be opened", f"Restore the targets of links, or the permissions. {REPLACE}"
    ),
)
_TRAITS = (
    _Rule("huge", "warning", "{} of more than 89 million pixels", "Save them smaller: decoding one needs gigabytes."),
    _Rule("animated", "warning", "{} with several frames", "A run takes the first frame; save the frame that counts."),
    _Rule(
        "deep",
        "warning",
        "{} of 16 bits",
        "A run keeps the upper 8 bits; an image that uses a small part of the 65,536 values becomes nearly black: "
        "stretch the values and save 8 bits per channel.",
    ),
    _Rule("cmyk", "warning", "{} in CMYK colours", "A run converts them without a colour profile; save them as RGB."),
    _Rule(
        "grey_alpha",
        "warning",
        "{} in grey with an alpha channel",
        "A run drops the alpha channel, so hidden pixels appear; paste them on a background and save them in grey.",
    ),
    _Rule(
        "transparent",
        "warning",
        "{} with transparent pixels",
        "A run drops transparency, so hidden pixels appear; paste them on a background and save them as RGB.",
    ),
)

_READ = "a run reads .png, .jpg, .jpeg, .webp, .bmp and .gif files in class folders"
_LEAVE = "A run does not read them; remove files that are there by mistake."
_UNREAD: tuple[tuple[str, str, Level, str, str, str], ...] = (
    (
        *("image", "unread_image", "warning", "is an image that is not read", "are images that are not read"),
        f"Convert, rename or move them: {_READ}.",
    ),
    ("other", "not_an_image", "note", "is not an image", "are not images", _LEAVE),
    ("hidden", "hidden", "note", "is hidden", "are hidden", _LEAVE),
)


def judge_files(images: CheckedImages, config: DataConfig) -> Iterator[ImageFinding]:
    """Yield a finding for each fault and each trait, and for the sizes."""
    # `kind=rule.kind` keeps this iteration's kind; mypy cannot infer the type of a lambda with a default value.
    for rule in _FAULTS:
        yield from _finding(images, rule, lambda file, kind=rule.kind: file.fault == kind)  # type: ignore[misc]
    for rule in _TRAITS:
        yield from _finding(images, rule, lambda file, kind=rule.kind: kind in file.traits)  # type: ignore[misc]
    yield from _sizes(images, config)
    yield from _long(images)


def judge_survey(survey: Survey) -> Iterator[ImageFinding]:
    """Yield the findings about links and about files that are not read."""
    leaving = [link for link in survey.links if link.leaves]
    if leaving:
        yield ImageFinding(
            "link_leaves",
            "warning",
            f"{counted(len(leaving), 'symbolic link leads', 'symbolic links lead')} out of the folder",
            "Copy the targets into the folder: the targets may change, and a copy of the folder does not contain them.",
            each([FindingEntry(link.path, detail=f"-> {link.target}{_state(link)}") for link in leaving]),
        )
    unread = [link for link in survey.links if not link.followed and link.exists and not link.leaves]
    if unread:
        yield ImageFinding(
            "link_unread",
            "warning",
            f"{counted(len(unread), 'symbolic link is', 'symbolic links are')} not followed",
            "A run follows links to class folders and to images; replace other links by their targets.",
            each([FindingEntry(link.path, detail=f"-> {link.target}") for link in unread]),
        )
    for ignored, kind, level, one, many, advice in _UNREAD:
        found = [path for path, its_kind in survey.ignored if its_kind == ignored]
        if found:
            entries = each([FindingEntry(path) for path in found])
            yield ImageFinding(kind, level, counted(len(found), f"file {one}", f"files {many}"), advice, entries)


def _state(link: Link) -> str:
    if not link.exists:
        return " (does not exist)"
    return "" if link.followed else " (not followed)"


def _finding(images: CheckedImages, rule: _Rule, applies: Callable[[FileFacts], bool]) -> Iterator[ImageFinding]:
    found = [image for image in images.images if image.file is not None and applies(image.file)]
    if found:
        entries = [finding_entry(image, images.classes, image.file.reason if image.file else "") for image in found]
        yield ImageFinding(
            rule.kind, rule.level, rule.title.format(counted(len(found), "file")), rule.advice, each(entries)
        )


def _sizes(images: CheckedImages, config: DataConfig) -> Iterator[ImageFinding]:
    files = [image.file for image in images.images if image.file is not None and image.image_hash is not None]
    sizes = {(file.width, file.height) for file in files}
    if len(sizes) < 2:
        return
    areas = np.array([file.width * file.height for file in files])
    smallest, median, largest = (files[int(np.argsort(areas, kind="stable")[p])] for p in (0, len(files) // 2, -1))
    spread = ", ".join(
        f"{name} {file.width} x {file.height}"
        for name, file in (("smallest", smallest), ("median", median), ("largest", largest))
    )
    missing = config.image_size is None
    yield ImageFinding(
        "sizes",
        "warning" if missing else "note",
        f"{len(sizes):,} different sizes: {spread}",
        "A run needs `data.image_size` to bring them to one size, for example "
        f"`--set data.image_size={_suggested(files)}`."
        if missing
        else f"They are resized to {config.image_size} x {config.image_size} without keeping the aspect ratio.",
    )


def _suggested(files: list[FileFacts]) -> int:
    """The largest power of two up to the median short side, at least 8 and, to keep training fast, at most 224."""
    short = float(np.median([min(file.width, file.height) for file in files]))
    return int(np.clip(2 ** np.floor(np.log2(max(short, 1))), 8, 224))


def _long(images: CheckedImages) -> Iterator[ImageFinding]:
    found = [
        finding_entry(image, images.classes, f"{image.file.width} x {image.file.height}")
        for image in images.images
        if image.image_hash is not None
        and image.file is not None
        and max(image.file.width, image.file.height) >= LONG_SIDE * min(image.file.width, image.file.height)
    ]
    if found:
        title = counted(len(found), "image is", "images are") + f" at least {LONG_SIDE:g} times as long as wide"
        advice = "Resizing to a square distorts them; crop them to the important part."
        yield ImageFinding("long", "note", title, advice, each(found))
