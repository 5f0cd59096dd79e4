"""One value of a space file: fixed, a choice, a range, one per block, a fixed list."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sweep.space.fields import FieldSpec, Value, checked, describe
from sweep.space.parameters import Choice, FloatRange, IntRange, Parameter, Path, steps_between
from sweep.space.wording import nearest, show
from sweep.space.yaml_tree import Entry, Faults, Mapping, Mark, Node, Scalar, Sequence

MAX_STEPS = 1_000_000
"""More steps than this are a continuous range."""

KEYS = ("low", "high", "step", "log", "reverse_log", "choices", "fixed", "each", "when", "or")

_OTHER_WORDS = {
    "min": "low",
    "min_value": "low",
    "max": "high",
    "max_value": "high",
    "values": "choices",
    "value": "fixed",
}
"""What other tools call the same."""


@dataclass(frozen=True)
class Draft:
    """A searched value as written, before names, conditions and blocks are resolved.

    Attributes:
        parameter: with an empty name and no conditions.
        later: of the blocks after the first, where each has its own choices; empty where all are alike.
        each: the field that counts how many there are (`blocks`), with its place.
        when: the conditions as written.
        alternative: the value of `or:`, in a one-element tuple.
    """

    spec: FieldSpec
    path: Path
    mark: Mark
    parameter: Parameter
    later: tuple[Parameter, ...] = ()
    each: Scalar | None = None
    when: Mapping | None = None
    alternative: tuple[Value] | None = None


@dataclass(frozen=True)
class Fixed:
    """A value that every trial has."""

    value: Value | list[Value]


def read_field(spec: FieldSpec, path: Path, node: Node, faults: Faults) -> Draft | Fixed | None:
    """Understand the value of one key; None if it is wrong, which is then among the faults."""
    if isinstance(node, Scalar):
        return _read_scalar(spec, node, faults)
    if not spec.searched:
        faults.add(node.mark, f"`{spec.name}` takes one value for the whole study: {describe(spec)}")
        return None
    if isinstance(node, Sequence):
        return _read_list(spec, path, node, faults)
    return _read_mapping(spec, path, node, faults)


def _read_scalar(spec: FieldSpec, node: Scalar, faults: Faults) -> Fixed | None:
    if spec.many:
        faults.add(node.mark, f"`{spec.name}` is one value per block: {_many_forms(spec)}")
        return None
    value = _single(spec, node, faults)
    return None if value is None else Fixed(value[0])


def _many_forms(spec: FieldSpec) -> str:
    return "write {fixed: [first, second, …]}, or {each: blocks, choices: […]}" + (
        ", or {each: blocks, low: …, high: …}" if spec.kind else ""
    )


def _single(spec: FieldSpec, node: Node, faults: Faults) -> tuple[Value] | None:
    """A single value of the field, in a tuple because None is a value."""
    if not isinstance(node, Scalar):
        found = "a list" if isinstance(node, Sequence) else "a mapping"
        faults.add(node.mark, f"`{spec.name}` must be one value here, {describe(spec)}, not {found}")
        return None
    try:
        return (checked(spec, node.value),)
    except ValueError as error:
        faults.add(node.mark, str(error))
        return None


def _read_list(spec: FieldSpec, path: Path, node: Sequence, faults: Faults) -> Draft | None:
    if spec.many:
        faults.add(node.mark, f"a list is a choice, and `{spec.name}` is one value per block: {_many_forms(spec)}")
        return None
    parameter = _choice(spec, path, node, faults)
    return None if parameter is None else Draft(spec, path, node.mark, parameter)


def _choice(spec: FieldSpec, path: Path, node: Sequence, faults: Faults) -> Choice | None:
    if not node.items:
        faults.add(node.mark, f"`{spec.name}` has no choices; give at least one")
        return None
    read = [_single(spec, item, faults) for item in node.items]
    values = tuple(value[0] for value in read if value is not None)
    seen: set[Value] = set()
    for item, value in zip(node.items, read, strict=True):
        if value is not None and value[0] in seen:
            faults.add(item.mark, f"`{spec.name}` has the choice {show(value[0])} already; remove one of them")
            return None
        seen.update(value or ())
    return Choice("", path, choices=values) if len(values) == len(read) else None


def _read_mapping(spec: FieldSpec, path: Path, node: Mapping, faults: Faults) -> Draft | Fixed | None:
    before = len(faults)
    for key, entry in node.entries.items():
        if key not in KEYS:
            near = _OTHER_WORDS.get(key) or nearest(key, KEYS)
            hint = f"; did you mean `{near}`?" if near else ""
            faults.add(entry.mark, f"`{key}` is no part of a distribution ({', '.join(KEYS)}){hint}")
    if len(faults) > before:
        return None
    if "fixed" in node.entries:
        return _read_fixed(spec, node, faults)
    parameter = _distribution(spec, path, node, faults)
    later = _later(spec, path, node, faults)
    each = _each(spec, node, faults)
    when = _when(node, faults)
    alternative = _alternative(spec, node, parameter, faults)
    if parameter is None or len(faults) > before:
        return None
    return Draft(spec, path, node.mark, parameter, later, each, when, alternative)


def _read_fixed(spec: FieldSpec, node: Mapping, faults: Faults) -> Fixed | None:
    others = [key for key in node.entries if key != "fixed"]
    if others:
        faults.add(node.entries[others[0]].mark, f"`fixed` stands alone; remove `{others[0]}`")
        return None
    inner = node.entries["fixed"].node
    if not spec.many:
        value = _single(spec, inner, faults)
        return None if value is None else Fixed(value[0])
    if not isinstance(inner, Sequence):
        faults.add(inner.mark, f"`{spec.name}` is one value per block: write {{fixed: [first, second, …]}}")
        return None
    values = [_single(spec, item, faults) for item in inner.items]
    return None if None in values else Fixed([value[0] for value in values if value is not None])


def _distribution(spec: FieldSpec, path: Path, node: Mapping, faults: Faults) -> Parameter | None:
    if "choices" in node.entries:
        for key in ("low", "high", "step", "log", "reverse_log"):
            if key in node.entries:
                faults.add(node.entries[key].mark, f"`choices` and `{key}` exclude each other; keep one of them")
        if "or" in node.entries:
            faults.add(node.entries["or"].mark, "`or` goes with a range; write this value among the `choices`")
        inner = node.entries["choices"].node
        if isinstance(inner, Sequence):
            # A list per block: the first block's here, see `_later`.
            own = spec.many and bool(inner.items) and all(isinstance(item, Sequence) for item in inner.items)
            first = inner.items[0] if own else inner
            return _choice(spec, path, first, faults) if isinstance(first, Sequence) else None
        faults.add(inner.mark, f"`choices` is a list: [{show(getattr(inner, 'value', '…'))}, …]")
        return None
    return _range(spec, path, node, faults)


def _later(spec: FieldSpec, path: Path, node: Mapping, faults: Faults) -> tuple[Parameter, ...]:
    """The choices of the blocks after the first, where `choices` is a list of lists."""
    entry = node.entries.get("choices")
    items = entry.node.items[1:] if entry is not None and isinstance(entry.node, Sequence) and spec.many else ()
    found = [_choice(spec, path, item, faults) for item in items if isinstance(item, Sequence)]
    return tuple(choice for choice in found if choice is not None)


def _range(spec: FieldSpec, path: Path, node: Mapping, faults: Faults) -> Parameter | None:
    if spec.kind is None:
        faults.add(
            node.mark,
            f"`{spec.name}` has no range; write a list of choices, each {describe(spec)}",
        )
        return None
    missing = [key for key in ("low", "high") if key not in node.entries]
    if missing:
        faults.add(
            node.mark,
            f"`{spec.name}` needs {' and '.join(f'`{key}`' for key in missing)}: "
            "write {low: …, high: …} or {choices: […]}",
        )
        return None
    log, reverse = _log(node, "log", faults), _log(node, "reverse_log", faults)
    if log and reverse:
        faults.add(node.entries["reverse_log"].mark, "`log` and `reverse_log` exclude each other; keep one of them")
        return None
    low = _bound(spec, node.entries["low"], faults)
    high = _bound(spec, node.entries["high"], faults)
    step = _step(spec, node, log or reverse, faults)
    if low is None or high is None or step is None or log is None or reverse is None:
        return None
    if not _range_holds(spec, node, low, high, step[0], log or reverse, faults):
        return None
    if spec.kind is int:
        return IntRange("", path, low=int(low), high=int(high), step=int(step[0] or 1), log=log, reverse_log=reverse)
    return FloatRange("", path, low=low, high=high, step=step[0], log=log, reverse_log=reverse)


def _bound(spec: FieldSpec, entry: Entry, faults: Faults) -> float | None:
    value = _single(spec, entry.node, faults)
    if value is None:
        return None
    if value[0] is None:
        faults.add(entry.node.mark, f"the end of the range of `{spec.name}` must be a number, not null")
        return None
    return value[0]  # type: ignore[return-value]  # checked: a field with a kind holds numbers


def _log(node: Mapping, key: str, faults: Faults) -> bool | None:
    entry = node.entries.get(key)
    if entry is None:
        return False
    if isinstance(entry.node, Scalar) and isinstance(entry.node.value, bool):
        return entry.node.value
    received = show(entry.node.value) if isinstance(entry.node, Scalar) else "a list or mapping"
    faults.add(entry.node.mark, f"`{key}` must be true or false, not {received}")
    return None


def _step(spec: FieldSpec, node: Mapping, log: bool | None, faults: Faults) -> tuple[float | None] | None:
    entry = node.entries.get("step")
    if entry is None:
        return (None,)
    value = entry.node.value if isinstance(entry.node, Scalar) else None
    kind = "an integer" if spec.kind is int else "a number"
    fits = isinstance(value, int) or (isinstance(value, float) and spec.kind is float)
    if not fits or isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        received = show(value) if isinstance(entry.node, Scalar) else "a list or mapping"
        faults.add(entry.node.mark, f"`step` must be {kind} more than 0, not {received}")
        return None
    if log:
        faults.add(entry.mark, "`step` and `log` exclude each other; keep one of them")
        return None
    return (value,)


def _range_holds(
    spec: FieldSpec, node: Mapping, low: float, high: float, step: float | None, log: bool, faults: Faults
) -> bool:
    if low > high:
        at = node.entries["low"].node.mark
        faults.add(at, f"`{spec.name}`: low {show(low)} is more than high {show(high)}; swap them")
        return False
    if log and low <= 0:
        at = node.entries["low"].node.mark
        faults.add(
            at, f"`{spec.name}`: a logarithmic range starts above 0, not at {show(low)}; for 0 as well, add `or: 0`"
        )
        return False
    return step is None or _step_holds(spec, node, low, high, step, faults)


def _step_holds(spec: FieldSpec, node: Mapping, low: float, high: float, step: float, faults: Faults) -> bool:
    at = node.entries["step"].node.mark
    if step > (high - low) * (1 + 1e-8) and high > low:  # 0.9 - 0.8 is less than 0.1
        faults.add(at, f"`{spec.name}`: the step {show(step)} is more than the whole range; write {show(high - low)}")
        return False
    if (high - low) / MAX_STEPS > step:
        faults.add(at, f"`{spec.name}`: the step {show(step)} makes more than {MAX_STEPS:,} values; remove it")
        return False
    last = low + steps_between(low, high, step) * step
    if not math.isclose(last, high, rel_tol=1e-9):
        at = node.entries["high"].node.mark
        faults.add(
            at, f"`{spec.name}`: steps of {show(step)} from {show(low)} end at {show(last)}; write high: {show(last)}"
        )
        return False
    return True


def _each(spec: FieldSpec, node: Mapping, faults: Faults) -> Scalar | None:
    entry = node.entries.get("each")
    if entry is None:
        if spec.many:
            faults.add(node.mark, f"`{spec.name}` is one value per block: add `each: blocks`")
        return None
    if not spec.many:
        faults.add(entry.mark, f"`{spec.name}` is one value, not one per block; remove `each`")
    elif not isinstance(entry.node, Scalar) or not isinstance(entry.node.value, str):
        faults.add(entry.node.mark, "`each` names the key that counts; write `each: blocks`")
    elif "or" in node.entries:
        faults.add(node.entries["or"].mark, "`or` does not go with `each`; use `choices` with the value among them")
    else:
        return entry.node
    return None


def _when(node: Mapping, faults: Faults) -> Mapping | None:
    entry = node.entries.get("when")
    if entry is None:
        return None
    if not isinstance(entry.node, Mapping) or not entry.node.entries:
        faults.add(entry.node.mark, "`when` is a mapping of a key and the values it must have: when: {optimizer: sgd}")
        return None
    return entry.node


def _alternative(spec: FieldSpec, node: Mapping, parameter: Parameter | None, faults: Faults) -> tuple[Value] | None:
    entry = node.entries.get("or")
    if entry is None:
        return None
    value = _single(spec, entry.node, faults)
    if value is not None and parameter is not None and parameter.contains(value[0]):
        faults.add(entry.node.mark, f"`or: {show(value[0])}` is inside the range already; remove it")
        return None
    return value
