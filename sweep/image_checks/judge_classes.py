"""Findings about the classes: their names, their numbers of images, and how the images and groups are split."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations

from sweep.data.folder import ImageFile, Listing
from sweep.data.splits import groups_of
from sweep.errors import DataError
from sweep.image_checks.checked_images import CheckedImages, PartName
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, counted, each
from sweep.space.config import DataConfig

UNEVEN = 3.0
"""Minimum ratio of the largest to the smallest class for a warning: the largest class may dominate training."""
FEWEST_LETTERS = 3
"""Minimum length of a name to count as the same class as its plural: the short `b` and `bs` can be two classes."""
SHORTEST = 5
"""Minimum length of names for which one differing letter suggests a typing error: `bear` and `bean` are two classes."""


def judge_classes(images: CheckedImages) -> Iterator[ImageFinding]:
    """Yield the findings about names, balance and split."""
    counts = part_counts(images)
    if images.unsplit:
        advice = "A run stops with this message; follow its advice."
        yield ImageFinding("split", "problem", f"The images cannot be split: {images.unsplit}", advice)
    yield from _names(images.classes, counts)
    yield from _balance(images.classes, counts)
    yield from _without_test(images.classes, counts)


def part_counts(images: CheckedImages) -> dict[str, Counter[PartName]]:
    """The number of readable images by class and part."""
    found: dict[str, Counter[PartName]] = {name: Counter() for name in images.classes}
    for image in images.images:
        if image.image_hash is not None:
            found[images.classes[image.label]][image.part] += 1
    return found


def _names(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    same = same_class(classes)
    if same:
        yield ImageFinding(
            "same_class",
            "problem",
            f"{counted(len(same), 'class has', 'classes have')} several names",
            "The names differ only in case, separators or a plural ending: move the images into one folder, or give "
            "the classes clearly different names.",
            tuple(tuple(_class(name, counts) for name in group) for group in same),
        )
    near = near_classes(classes)
    if near:
        yield ImageFinding(
            "near_class",
            "warning",
            f"{counted(len(near), 'pair of class names is', 'pairs of class names are')} one letter apart",
            "If one name is a typing error, move its images into the other folder; if not, ignore this warning.",
            tuple(tuple(_class(name, counts) for name in pair) for pair in near),
        )


def _balance(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    seen = {name: counts[name]["train"] + counts[name]["validation"] for name in classes}
    ordered = sorted(classes, key=lambda name: seen[name])
    smallest, largest = ordered[0], max(ordered, key=lambda name: seen[name])
    least, most = seen[smallest], seen[largest]
    if most and most >= UNEVEN * least:
        ratio = f"{most / least:.1f} times as many as" if least else "more than"
        yield ImageFinding(
            "imbalance",
            "warning",
            f"Classes are uneven: {largest} has {most:,} images, {ratio} {smallest} with {least:,}",
            "Accuracy favours large classes: collect images of small classes, or weight the loss with "
            "`training.class_weights: balanced` (or search both: `[none, balanced]`).",
            each([_class(name, counts) for name in ordered]),
        )


def _without_test(classes: tuple[str, ...], counts: dict[str, Counter[PartName]]) -> Iterator[ImageFinding]:
    missing = [name for name in classes if not counts[name]["test"]]
    if 0 < len(missing) < len(classes):
        title = counted(len(missing), "class has", "classes have") + " no image in the test set"
        advice = "The final accuracy does not cover these classes; add images of them to the test set."
        yield ImageFinding("untested_class", "warning", title, advice, each([_class(name, counts) for name in missing]))


def _class(name: str, counts: dict[str, Counter[PartName]]) -> FindingEntry:
    return FindingEntry(name, detail=counted(sum(counts[name].values()), "image"))


def same_class(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in case, separators or a plural ending: `polar_bear` and `Polar bears`."""
    by_plain: dict[str, list[str]] = {}
    for name in names:
        by_plain.setdefault(_plain(name), []).append(name)
    found = []
    for plain, group in by_plain.items():
        together = [*group, *(name for plural in _plurals(plain) for name in by_plain.get(plural, ()))]
        if len(together) > 1:
            found.append(tuple(together))
    return found


def near_classes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of names that are one typing error apart: a letter added, missing, wrong, or swapped with the next letter.

    Pairs that differ in a digit or in the first letter do not count.
    """
    return [(first, second) for first, second in combinations(names, 2) if _near(_plain(first), _plain(second))]


def _near(a: str, b: str) -> bool:
    if a == b or a[:1] != b[:1] or max(len(a), len(b)) < SHORTEST or re.findall(r"\d", a) != re.findall(r"\d", b):
        return False
    return b not in _plurals(a) and a not in _plurals(b) and _one_edit_apart(a, b)


def _plain(name: str) -> str:
    """The name without case and separators."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "", folded) or folded


def _plurals(word: str) -> tuple[str, ...]:
    if len(word) < FEWEST_LETTERS or word[-1].isdigit():
        return ()
    return (f"{word}s", f"{word}es", *([f"{word[:-1]}ies"] if word.endswith("y") else []))


def _one_edit_apart(a: str, b: str) -> bool:
    """True if the optimal string alignment distance is 1."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = rest_a[:2] == rest_b[1::-1] and len(rest_a) >= 2 and rest_a[2:] == rest_b[2:]
    return swapped or rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]


def judge_groups(listing: Listing, config: DataConfig) -> Iterator[ImageFinding]:
    """Yield the finding about groups (`data.group_by`) that a `test/` folder shares with the training set.

    A run keeps groups together when it splits images, but uses a `test/` folder unchanged.
    """
    if config.group_by is None or listing.test is None:
        return
    paths = [listing.below_class(file) for file in listing.files]
    try:
        groups = groups_of(paths, config.group_by, f"`{config.name}`").tolist()
    except DataError as error:
        yield ImageFinding("groups", "problem", str(error), "Correct `data.group_by` as this message says.")
        return
    members: dict[int, list[tuple[ImageFile, PartName]]] = {}
    for position, (file, group) in enumerate(zip(listing.files, groups, strict=True)):
        members.setdefault(group, []).append((file, "train" if position < len(listing.train) else "test"))
    shared = [group for group in members.values() if len({part for _, part in group}) > 1]
    if shared:
        yield ImageFinding(
            "group_across",
            "problem",
            f"{counted(len(shared), 'group is', 'groups are')} in the training set and in the test set",
            "The result on the test set would be too good: move all images of a group to one side, or remove `test/` "
            "(a run then splits off a test set by group).",
            tuple(
                tuple(FindingEntry(file.path, listing.classes[file.label], part) for file, part in group)
                for group in shared
            ),
        )
