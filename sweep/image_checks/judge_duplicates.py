"""Findings about images that are there more than once: within a part, across parts, under two classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sweep.image_checks.checked_images import CheckedImage, CheckedImages, PartName
from sweep.image_checks.duplicate_images import Groups, near_duplicates, same_pixels
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, Level, counted, finding_entry
from sweep.image_checks.image_hash import ImageHash

LEAST_SIDE = 16
"""Pixels. Of smaller images most of a class look alike to a perceptual hash, which is made of 32 x 32."""

_LEAK = (
    "What the model has seen in training it need not have understood: remove them from one part, or keep images that "
    "belong together on one side with `data.group_by`."
)
_CONFLICT = "One picture cannot be two classes: keep the right one, remove the others."
_WITHIN = "They count several times in training and in the judgement; keep one of each."


def judge_duplicates(images: CheckedImages, sides: Sequence[int]) -> Iterator[ImageFinding]:
    """Same and nearly the same images; `sides` are the short sides of the images in pixels."""
    seen = [image for image in images.images if image.image_hash is not None]
    hashes: list[ImageHash] = [image.image_hash for image in seen if image.image_hash is not None]
    yield from _sorted(images, seen, same_pixels(hashes), "duplicate", "the same", ("problem", "problem", "warning"))
    if sides and sorted(sides)[len(sides) // 2] < LEAST_SIDE:
        title = f"Near duplicates were not searched: most images are smaller than {LEAST_SIDE} x {LEAST_SIDE}"
        yield ImageFinding("near_unsearched", "note", title, "Look through a sample by eye.")
        return
    near = near_duplicates(hashes)
    yield from _sorted(images, seen, near, "near_duplicate", "nearly the same", ("warning", "problem", "note"))


def _sorted(
    images: CheckedImages,
    seen: Sequence[CheckedImage],
    groups: Groups,
    kind: str,
    same: str,
    levels: tuple[Level, Level, Level],
) -> Iterator[ImageFinding]:
    """First those of two classes, then those across parts, then the rest; a group can be of the first two kinds."""
    members = [[seen[position] for position in group] for group in groups]
    for level, name, says, advice, applies in (
        (levels[0], f"{kind}_conflict", f"with {same} pixels under different classes", _CONFLICT, _conflicts),
        (levels[1], f"{kind}_across", f"with {same} pixels in different parts", _LEAK, _across),
        (levels[2], kind, f"with {same} pixels within a part", _WITHIN, _within),
    ):
        found = [group for group in members if applies(group)]
        if found:
            title = f"{counted(len(found), 'group of images', 'groups of images')} {says}"
            told = tuple(tuple(_entries(images, group)) for group in found)
            yield ImageFinding(name, level, f"{title} ({_parts(found)})" if applies is _across else title, advice, told)


def _conflicts(group: Sequence[CheckedImage]) -> bool:
    return len({image.label for image in group}) > 1


def _across(group: Sequence[CheckedImage]) -> bool:
    return len(_sides(group)) > 1


def _within(group: Sequence[CheckedImage]) -> bool:
    return not _conflicts(group) and not _across(group)


def _sides(group: Sequence[CheckedImage]) -> set[PartName]:
    return {image.part for image in group} - {"unused"}


def _parts(groups: Sequence[Sequence[CheckedImage]]) -> str:
    """`3 with training images in the test part, 1 in the validation part`."""
    tested = sum({"train", "test"} <= _sides(group) for group in groups)
    validated = sum({"train", "validation"} <= _sides(group) for group in groups)
    both = sum({"validation", "test"} <= _sides(group) for group in groups)
    told = ((tested, "train and test"), (validated, "train and validation"), (both, "validation and test"))
    return ", ".join(f"{number:,} in {places}" for number, places in told if number)


def _entries(images: CheckedImages, group: Sequence[CheckedImage]) -> Iterator[FindingEntry]:
    contents = [image.file.content if image.file else b"" for image in group]
    for position, image in enumerate(group):
        equal = position > 0 and contents[position] != b"" and contents[position] in contents[:position]
        yield finding_entry(image, images.classes, "same bytes" if equal else "")
