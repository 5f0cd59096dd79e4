"""Groups of images that belong together (one patient, one film, one object), found in their paths."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sweep.errors import DataError
from sweep.records.array_types import IntArray


def groups_of(paths: Sequence[str], pattern: str, what: str) -> IntArray:
    """The group of each image as a number 0..k-1 in the order of appearance, int64 (n,).

    Args:
        paths: the image files' paths below their class folders; empty if the images are not files.
        pattern: `data.group_by`, searched in each path; the first capture group, else the whole match, is the name of
            the group. The same name in two classes is one group.
        what: which images these are, for messages.

    Raises DataError for a pattern that is not a regular expression, that does not match every path, or that is useless
    because it puts all images into one group or each into a separate one.
    """
    field = f"data: {what}: `group_by: {pattern}`"
    if not paths:
        raise DataError(
            f"{field} is searched in the paths of image files, but these images are not files; leave it out."
        )
    names = _names(paths, pattern, field)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    if len(paths) > 1 and len(numbers) in (1, len(paths)):
        fault = "all into one group" if len(numbers) == 1 else "each into a separate group"
        raise DataError(
            f"{field} puts the {len(paths)} images {fault}, for example `{paths[0]}` into `{names[0]}`; "
            "put brackets around the common part of images that belong together, such as `^(patient\\d+)_`."
        )
    return np.array([numbers[name] for name in names], dtype=np.int64)


def _names(paths: Sequence[str], pattern: str, field: str) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"{field} is not a regular expression: {error}; Python's syntax is expected.") from None
    matches = [compiled.search(path) for path in paths]
    missed = [path for path, match in zip(paths, matches, strict=True) if match is None]
    if missed:
        count = "none" if len(missed) == len(paths) else f"only {len(paths) - len(missed)}"
        raise DataError(
            f"{field} matches {count} of {len(paths)} paths, for example not `{missed[0]}`; it is searched in the path "
            "below the class folder, and every image must belong to a group."
        )
    return [match[1 if compiled.groups else 0] for match in matches if match is not None]
