"""The finding about groups (`data.group_by`) that a given test part shares with the training part."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.data.folder import ImageFile, Listing
from sweep.data.groups import groups_of
from sweep.errors import DataError
from sweep.image_checks.checked_images import PartName
from sweep.image_checks.image_findings import FindingEntry, ImageFinding, counted
from sweep.space.config import DataConfig


def judge_groups(listing: Listing, config: DataConfig) -> Iterator[ImageFinding]:
    """A run keeps groups apart where it splits; a test part that is given as a folder it takes as it is."""
    if config.group_by is None or listing.test is None:
        return
    files = (*listing.train, *listing.test)
    try:
        groups = groups_of([listing.below_class(file) for file in files], config.group_by, f"`{config.name}`").tolist()
    except DataError as error:
        yield ImageFinding("groups", "problem", str(error), "A run would refuse a pattern that does not fit.")
        return
    members: dict[int, list[tuple[ImageFile, PartName]]] = {}
    for position, (file, group) in enumerate(zip(files, groups, strict=True)):
        members.setdefault(group, []).append((file, "train" if position < len(listing.train) else "test"))
    shared = [group for group in members.values() if len({part for _, part in group}) > 1]
    if shared:
        yield ImageFinding(
            "group_across",
            "problem",
            f"{counted(len(shared), 'group lies', 'groups lie')} in the training and in the test part",
            "The test part would flatter the model: move every image of a group to one side, or remove `test/` and let "
            "a run split it off by group.",
            tuple(tuple(_entry(listing, *member) for member in group) for group in shared),
        )


def _entry(listing: Listing, file: ImageFile, part: PartName) -> FindingEntry:
    return FindingEntry(file.path, listing.classes[file.label], part)
