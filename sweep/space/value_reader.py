"""Reading one value of a space file: fixed, a choice, a range, one value per block, or a fixed list."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Gt

from sweep.space.fields import FieldSpec, Value, checked, describe
from sweep.space.parameters import Choice, FloatRange, IntRange, Parameter, Path, is_number, steps_between
from sweep.space.wording import nearest, show
from sweep.space.yaml_tree import Faults, Mapping, Mark, Node, Scalar, Sequence, received

MAX_STEPS = 1_000_000
"""Maximum number of steps of a range; if there would be more, the file must not set `step` (a continuous range)."""

KEYS = ("low", "high", "step", "log", "reverse_log", "choices", "fixed", "each", "when", "or")

_OTHER_WORDS = {
    "min": "low",
    "min_value": "low",
    "max": "high",
    "max_value": "high",
    "values": "choices",
    "value": "fixed",
}
"""Keys of other tools, and the keys that replace them."""

_LOG, _REVERSE_LOG = FieldSpec("log", bool), FieldSpec("reverse_log", bool)
_STEP = {int: FieldSpec("step", Annotated[int, Gt(0)]), float: FieldSpec("step", Annotated[float, Gt(0)])}


@dataclass(frozen=True)
class Draft:
    """A searched value as written, before names, conditions and blocks are resolved.

    Attributes:
        parameter: the parameter, still without name and conditions.
        later: if each block has its own choices, the parameters of the blocks after the first; else empty.
        each: the key that counts the blocks (`blocks`), with its place.
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
    """A value that all trials have: a scalar, a list, or the values of a subsection."""

    value: Any


def read_field(spec: FieldSpec, path: Path, node: Node, faults: Faults) -> Draft | Fixed | None:
    """Read the value of one key; if it is wrong, add a fault and return None."""
    before = len(faults)
    value = _FieldReader(spec, path, faults).read(node)
    return None if len(faults) > before else value


class _FieldReader:
    """Reads the value of one key. A returned value is used only if no fault was added."""

    def __init__(self, spec: FieldSpec, path: Path, faults: Faults) -> None:
        self._spec = spec
        self._name = spec.name
        self._path = path
        self._faults = faults

    def read(self, node: Node) -> Draft | Fixed | None:
        forms = "write {fixed: [first, second, …]}, or {each: blocks, choices: […]}"
        forms += ", or {each: blocks, low: …, high: …}" if self._spec.kind else ""
        if isinstance(node, Scalar):
            if not self._spec.many:
                return Fixed(self._single(node))
            self._faults.add(node.mark, f"`{self._name}` has one value per block: {forms}")
        elif not self._spec.searched:
            what = describe(self._spec)
            self._faults.add(node.mark, f"`{self._name}` takes one value for the whole study: {what}")
        elif isinstance(node, Mapping):
            return self._mapping(node)
        elif not self._spec.many:
            return Draft(self._spec, self._path, node.mark, self._choice(node))
        else:
            self._faults.add(node.mark, f"a list is a choice, and `{self._name}` has one value per block: {forms}")
        return None

    def _single(self, node: Node, spec: FieldSpec | None = None) -> Value:
        """Return a single value of the field, or of the key `spec`."""
        spec = spec or self._spec
        if isinstance(node, Scalar):
            try:
                return checked(spec, node.value)
            except ValueError as error:
                self._faults.add(node.mark, str(error))
        else:
            self._faults.add(node.mark, f"`{spec.name}` must be one value here, {describe(spec)}, not {received(node)}")
        return None

    def _choice(self, node: Sequence) -> Choice:
        if not node.items:
            self._faults.add(node.mark, f"`{self._name}` has no choices; give at least one")
        values: list[Value] = []
        for item in node.items:
            before = len(self._faults)
            value = self._single(item)
            if len(self._faults) == before and value in values:
                self._faults.add(item.mark, f"`{self._name}` already has the choice {show(value)}; remove one of them")
            values.append(value)
        return Choice("", self._path, choices=tuple(values))

    def _mapping(self, node: Mapping) -> Draft | Fixed | None:
        before = len(self._faults)
        for key, entry in node.entries.items():
            if key not in KEYS:
                near = _OTHER_WORDS.get(key) or nearest(key, KEYS)
                hint = f"; did you mean `{near}`?" if near else ""
                self._faults.add(entry.mark, f"`{key}` is not a key of a distribution ({', '.join(KEYS)}){hint}")
        if len(self._faults) > before:
            return None
        if "fixed" in node.entries:
            return self._fixed(node)
        parameters = self._choices(node) if "choices" in node.entries else self._range(node)
        each, when, alternative = self._each(node), self._when(node), self._alternative(node, parameters)
        if not parameters:
            return None
        return Draft(self._spec, self._path, node.mark, parameters[0], parameters[1:], each, when, alternative)

    def _fixed(self, node: Mapping) -> Fixed | None:
        others = [key for key in node.entries if key != "fixed"]
        inner = node.entries["fixed"].node
        if others:
            other = others[0]
            self._faults.add(node.entries[other].mark, f"`fixed` cannot be combined with other keys; remove `{other}`")
        elif not self._spec.many:
            return Fixed(self._single(inner))
        elif isinstance(inner, Sequence):
            return Fixed([self._single(item) for item in inner.items])
        else:
            self._faults.add(inner.mark, f"`{self._name}` has one value per block: write {{fixed: [first, second, …]}}")
        return None

    def _choices(self, node: Mapping) -> tuple[Parameter, ...]:
        """Return one choice, or one per block for a list of lists; empty if the value is wrong."""
        for key in ("low", "high", "step", "log", "reverse_log"):
            if key in node.entries:
                mark = node.entries[key].mark
                self._faults.add(mark, f"`choices` and `{key}` exclude each other; keep one of them")
        if "or" in node.entries:
            self._faults.add(node.entries["or"].mark, "`or` is for ranges; add this value to `choices`")
        inner = node.entries["choices"].node
        if not isinstance(inner, Sequence):
            self._faults.add(inner.mark, f"`choices` must be a list: [{show(getattr(inner, 'value', '…'))}, …]")
            return ()
        lists = [item for item in inner.items if isinstance(item, Sequence)]
        if self._spec.many and lists and len(lists) == len(inner.items):
            return tuple(self._choice(item) for item in lists)
        return (self._choice(inner),)

    def _range(self, node: Mapping) -> tuple[Parameter, ...]:
        """Return one range; empty if the value is wrong."""
        kind = self._spec.kind
        if kind is None:
            what = describe(self._spec)
            self._faults.add(node.mark, f"`{self._name}` cannot be a range; write a list of choices, each {what}")
            return ()
        missing = [f"`{key}`" for key in ("low", "high") if key not in node.entries]
        if missing:
            wanted = " and ".join(missing)
            self._faults.add(node.mark, f"`{self._name}` needs {wanted}: write {{low: …, high: …}} or {{choices: […]}}")
            return ()
        before = len(self._faults)
        log, reverse = bool(self._part(node, _LOG)), bool(self._part(node, _REVERSE_LOG))
        low, high, step = self._bound(node, "low"), self._bound(node, "high"), self._part(node, _STEP[kind])
        if log and reverse:
            mark = node.entries["reverse_log"].mark
            self._faults.add(mark, "`log` and `reverse_log` exclude each other; keep one of them")
        elif step is not None and (log or reverse):
            wrong = f"`step` and `{'log' if log else 'reverse_log'}` exclude each other; keep one of them"
            self._faults.add(node.entries["step"].mark, wrong)
        if len(self._faults) == before:
            self._check_ends(node, low, high, log or reverse)
        if len(self._faults) == before and step is not None:
            self._check_step(node, low, high, step)
        if len(self._faults) > before:
            return ()
        if kind is int:
            return (IntRange("", self._path, (), int(low), int(high), int(step or 1), log, reverse),)
        return (FloatRange("", self._path, (), low, high, step, log, reverse),)

    def _part(self, node: Mapping, spec: FieldSpec) -> Any:
        """Return the value of a key of the range; None if the key is missing."""
        entry = node.entries.get(spec.name)
        if entry is None:
            return None
        self._single(entry.node, spec)
        return entry.node.value if isinstance(entry.node, Scalar) else None

    def _bound(self, node: Mapping, key: str) -> Any:
        inner, before = node.entries[key].node, len(self._faults)
        value = self._single(inner)
        if len(self._faults) == before and not is_number(value):
            self._faults.add(inner.mark, f"an end of the range of `{self._name}` must be a number, not {show(value)}")
        return value

    def _check_ends(self, node: Mapping, low: float, high: float, log: bool) -> None:
        mark = node.entries["low"].node.mark
        if low > high:
            self._faults.add(mark, f"`{self._name}`: low {show(low)} is more than high {show(high)}; swap them")
        elif log and low <= 0:
            wrong = f"a logarithmic range must start above 0, not at {show(low)}; to include 0, add `or: 0`"
            self._faults.add(mark, f"`{self._name}`: {wrong}")

    def _check_step(self, node: Mapping, low: float, high: float, step: float) -> None:
        mark = node.entries["step"].node.mark
        if step > (high - low) * (1 + 1e-8) and high > low:  # 0.9 - 0.8 is less than 0.1
            wrong = f"the step {show(step)} is larger than the whole range; write `step: {show(high - low)}`"
        elif (high - low) / MAX_STEPS > step:
            wrong = f"the step {show(step)} makes more than {MAX_STEPS:,} values; remove `step`"
        else:
            last = low + steps_between(low, high, step) * step
            if math.isclose(last, high, rel_tol=1e-9):
                return
            mark = node.entries["high"].node.mark
            wrong = f"steps of {show(step)} from {show(low)} end at {show(last)}; write `high: {show(last)}`"
        self._faults.add(mark, f"`{self._name}`: {wrong}")

    def _each(self, node: Mapping) -> Scalar | None:
        entry = node.entries.get("each")
        if entry is None:
            if self._spec.many:
                self._faults.add(node.mark, f"`{self._name}` has one value per block: add `each: blocks`")
        elif not self._spec.many:
            self._faults.add(entry.mark, f"`{self._name}` has one value, not one per block; remove `each`")
        elif not isinstance(entry.node, Scalar) or not isinstance(entry.node.value, str):
            self._faults.add(entry.node.mark, f"`each` must be `blocks`, not {received(entry.node)}")
        elif "or" in node.entries:
            mark = node.entries["or"].mark
            self._faults.add(mark, "`or` cannot be combined with `each`; use `choices` that include the value")
        else:
            return entry.node
        return None

    def _when(self, node: Mapping) -> Mapping | None:
        entry = node.entries.get("when")
        if entry is None:
            return None
        if isinstance(entry.node, Mapping) and entry.node.entries:
            return entry.node
        self._faults.add(entry.node.mark, "`when` must map keys to the values that they must have: {optimizer: sgd}")
        return None

    def _alternative(self, node: Mapping, parameters: tuple[Parameter, ...]) -> tuple[Value] | None:
        entry = node.entries.get("or")
        if entry is None:
            return None
        before = len(self._faults)
        value = self._single(entry.node)
        if len(self._faults) == before and any(parameter.contains(value) for parameter in parameters):
            self._faults.add(entry.node.mark, f"`or: {show(value)}` is already inside the range; remove `or`")
        return (value,)
