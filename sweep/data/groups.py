"""Images that belong together (one patient, one film, one object) by what their paths have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sweep.errors import DataError
from sweep.records.array_types import IntArray


def groups_of(paths: Sequence[str], pattern: str, what: str) -> IntArray:
    """The group of each image as a number 0..k-1 in the order of appearance, int64 (n,).

    Args:
        paths: of the images' files, each below its class folder; empty where the images are no files.
        pattern: `data.group_by`. Searched in each path; the first capture group, else the whole match, is the name of
            the group. The same name in two classes is one group.
        what: which images these are, for messages.

    Raises DataError for a pattern that is no regular expression, that a path does not match, or that puts all images
    into one group or each into one of its own: then it would say nothing.
    """
    field = f"data: {what}: `group_by: {pattern}`"
    if not paths:
        raise DataError(f"{field} is searched in the paths of image files, and these images are none; leave it out.")
    names = _names(paths, _compiled(pattern, field), field)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(paths) > 1 and len(numbers) in (1, len(paths)):
        fault = "all into one group" if len(numbers) == 1 else "each into a group of its own"
        raise DataError(
            f"{field} puts the {len(paths)} images {fault}, for example `{paths[0]}` into `{names[0]}`; "
            "put brackets around what images that belong together have in common, such as `^(patient\\d+)_`."
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _compiled(pattern: str, field: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise DataError(f"{field} is not a regular expression: {error}; Python's syntax is expected.") from None


def _names(paths: Sequence[str], pattern: re.Pattern[str], field: str) -> list[str]:
    names = [_name(path, pattern) for path in paths]
    missed = [path for path, name in zip(paths, names, strict=True) if name is None]
    if missed:
        count = "none" if len(missed) == len(paths) else f"only {len(paths) - len(missed)}"
        raise DataError(
            f"{field} matches {count} of {len(paths)} paths, for example not `{missed[0]}`; it is searched in the path "
            "below the class folder, and every image must belong to a group."
        )
    return [name for name in names if name is not None]


def _name(path: str, pattern: re.Pattern[str]) -> str | None:
    found = pattern.search(path)
    if found is None:
        return None
    return found[1] if pattern.groups else found[0]
