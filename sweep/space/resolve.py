"""Turning written values into parameters: names, one parameter per block, conditions, sampling order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any

from sweep.space.fields import FieldSpec, Value, checked, fields_of
from sweep.space.model_sections import HYPERPARAMETERS
from sweep.space.parameters import Choice, Condition, FloatRange, Parameter, Path, needed, same
from sweep.space.value_reader import Draft
from sweep.space.wording import did_you_mean, show
from sweep.space.yaml_tree import Entry, Faults, Mark, Scalar, Sequence, received


@dataclass(frozen=True)
class Constant:
    """A key with the same value in all trials: the written value, or the default.

    Attributes:
        mark: place of the written value; None for a default.
        broken: True if the written value is a fault; then nothing that depends on the key is checked.
    """

    spec: FieldSpec
    path: Path
    value: Any
    mark: Mark | None
    broken: bool = False


Known = Draft | Constant

_BLOCKS: Path = ("model", "blocks")


def plain_name(path: Path) -> str:
    """Return the name of a parameter: the keys below the section, joined by `_`.

    Only the section `augmentation` stays in the name, because `strength` or `zoom` alone would be unclear.
    """
    if path[:-1] == HYPERPARAMETERS:
        return str(path[-1])
    keys = path if path[0] == "augmentation" else path[1:]
    return "_".join(str(key + 1) if isinstance(key, int) else key for key in keys)


def catalog(
    sections: MappingType[str, type[Any]],
    template: MappingType[str, Any],
    drafts: list[Draft],
    marks: MappingType[Path, Mark],
) -> dict[Path, Known]:
    """Return every key that a condition can name, by path."""
    searched = {draft.path: draft for draft in drafts}

    def keys(section: type[Any], prefix: Path, fixed: MappingType[str, Any]) -> Iterator[Known]:
        for name, spec in fields_of(section).items():
            path = (*prefix, name)
            if spec.nested is not None:
                if name in fixed or not spec.optional:
                    yield from keys(spec.nested, path, fixed.get(name) or {})
            elif path in searched:
                yield searched[path]
            else:
                value, broken = fixed.get(name, spec.default), path in marks and name not in fixed
                yield Constant(spec, path, value, marks.get(path), broken)

    # In the order of the dataclasses, so that the order of keys in the file does not matter.
    return {key.path: key for name, cls in sections.items() for key in keys(cls, (name,), template.get(name, {}))}


def values_of(known: Known) -> tuple[Value, ...]:
    """Return the possible values of a key; of a float range, only its two ends."""
    if isinstance(known, Constant):
        return (known.value,)
    parameter = known.parameter
    return parameter.extremes() if isinstance(parameter, FloatRange) else tuple(parameter.grid())


class Resolver:
    """Turns the drafts in `known` into parameters and adds all errors to `faults`; used only once."""

    def __init__(self, known: dict[Path, Known], faults: Faults) -> None:
        self._known = known
        self._faults = faults
        self._by_name = {plain_name(path): path for path in known}

    def parameters(self) -> tuple[Parameter, ...]:
        """Return all parameters; each comes after the parameters in its conditions."""
        made: dict[str, Parameter] = {}
        for draft in self._drafts():
            conditions = self._conditions(draft)
            self._check_counter(draft)
            if conditions is None:
                continue
            self._check_effect(draft, conditions)
            for parameter in self._expand(draft, conditions):
                if parameter.name in made:
                    wrong = f"two parameters would have the name `{parameter.name}`; give one of them a fixed value"
                    self._faults.add(draft.mark, wrong)
                made[parameter.name] = parameter
        return () if len(self._faults) else self._reachable(self._ordered(_without_missing([*made.values()])))

    def _drafts(self) -> list[Draft]:
        return [known for known in self._known.values() if isinstance(known, Draft)]

    def _find(self, key: str, around: Path) -> Known | None:
        """Find the key that a name refers to: a sibling, else a key of the section, else a parameter or dotted path."""
        for length in range(len(around) - 1, 0, -1):
            found = self._known.get((*around[:length], key))
            if found is not None:
                return found
        return self._known.get(self._by_name.get(key, tuple(key.split("."))))

    def _conditions(self, draft: Draft) -> tuple[Condition, ...] | None:
        """Return the conditions of `when`, in the order of the catalog; None if one is wrong or can never hold."""
        found: dict[Path, tuple[Condition, ...] | None] = {}
        before = len(self._faults)
        for key, entry in (draft.when.entries if draft.when else {}).items():
            target = self._target(key, entry, draft)
            if target is None:
                continue
            if target.path in found:
                self._faults.add(entry.mark, f"`when` names `{target.spec.name}` twice; keep one of them")
            found[target.path] = self._condition(target, entry)
        if len(self._faults) > before or None in found.values():
            return None
        return tuple(condition for path in self._known for condition in found.get(path) or ())

    def _target(self, key: str, entry: Entry, draft: Draft) -> Known | None:
        """Find the key of a condition."""
        target = self._find(key, draft.path)
        if target is None or target is draft:
            siblings = [str(path[-1]) for path in self._known if path[:-1] == draft.path[:-1]]
            hint = did_you_mean(key, [name for name in (*siblings, *self._by_name) if name != draft.spec.name])
            self._faults.add(entry.mark, f"`when`: there is no other key named `{key}`{hint}")
        elif target.spec.many:
            self._faults.add(entry.mark, f"`when`: `{key}` has one value per block; name a key with a single value")
        elif draft.each is not None and target.path[-1] == draft.each.value:
            each = draft.each.value
            self._faults.add(entry.mark, f"`each: {each}` already implies this condition; remove `{key}` from `when`")
        else:
            return target
        return None

    def _condition(self, target: Known, entry: Entry) -> tuple[Condition, ...] | None:
        """Return a tuple with the condition; () if a fixed value always meets it; None if it can never hold."""
        items = entry.node.items if isinstance(entry.node, Sequence) else (entry.node,)
        if not items:
            self._faults.add(entry.node.mark, "`when` takes a value or a list of values, not an empty list")
        values: dict[Value, None] = {}
        for item in items:
            if not isinstance(item, Scalar):
                self._faults.add(item.mark, f"`when` takes a value or a list of values, not {received(item)}")
                continue
            try:
                values[checked(target.spec, item.value)] = None
                _check_possible(target, item.value)
            except ValueError as error:
                self._faults.add(item.mark, f"`when`: {error}")
        if isinstance(target, Draft):
            return (Condition(plain_name(target.path), tuple(values)),)
        return () if target.broken or any(same(target.value, value) for value in values) else None

    def _check_counter(self, draft: Draft) -> None:
        """Refuse `when` and `or` for `blocks`: every trial needs a number of blocks to know which parameters it has."""
        if draft.path == _BLOCKS:
            for key, found in (("when", draft.when), ("or", draft.alternative)):
                if found is not None:
                    self._faults.add(draft.mark, f"`blocks` is needed in every trial; remove `{key}`")

    def _check_effect(self, draft: Draft, conditions: tuple[Condition, ...]) -> None:
        """Check that a searched value has an effect in all trials that sample it."""
        need = draft.spec.only_when
        target = self._find(need.name, draft.path) if need else None
        if need is None or target is None:
            return
        name = draft.spec.name
        if isinstance(target, Constant):
            if not target.broken and target.value not in need.values:
                self._faults.add(
                    draft.mark,
                    f"`{name}` has no effect while `{need.name}` is {show(target.value)}; "
                    f"remove `{name}`, or set `{need.name}` to {' or '.join(map(str, need.values))}",
                )
            return
        allowed = next((c.values for c in conditions if c.name == plain_name(target.path)), values_of(target))
        if not set(allowed) <= set(need.values):
            wanted = [value for value in need.values if target.parameter.contains(value)]
            written = str(wanted[0]) if len(wanted) == 1 else f"[{', '.join(map(str, wanted))}]"
            self._faults.add(
                draft.mark,
                f"`{name}` has an effect only with some values of `{need.name}`; "
                f"add `when: {{{need.name}: {written}}}`",
            )

    def _expand(self, draft: Draft, conditions: tuple[Condition, ...]) -> list[Parameter]:
        name = plain_name(draft.path)
        if draft.each is not None:
            return self._one_per_block(draft, draft.each, conditions)
        if draft.alternative is None:
            return [dataclasses.replace(draft.parameter, name=name, conditions=conditions)]
        switch = Choice(f"use_{name}", (), conditions, choices=(True, False))
        on = Condition(switch.name, (True,))
        return [switch, dataclasses.replace(draft.parameter, name=name, conditions=(*conditions, on))]

    def _one_per_block(self, draft: Draft, each: Scalar, conditions: tuple[Condition, ...]) -> list[Parameter]:
        counter = self._find(str(each.value), draft.path)
        if counter is None or counter.path != _BLOCKS:
            self._faults.add(each.mark, f"`each` must be `blocks`, not {show(each.value)}")
            return []
        counts = _counts(counter)
        most = max(counts, default=0)
        if most:
            self._check_default(draft, most)
        blocks = (draft.parameter, *draft.later) if draft.later else (draft.parameter,) * most
        if len(blocks) < most:
            self._faults.add(
                draft.mark,
                f"`{draft.spec.name}` must have one list of choices per block, at least {most}, not {len(blocks)}; "
                "add the missing lists, or give one list for all blocks",
            )
            return []
        made: list[Parameter] = []
        for index in range(most):
            enough = tuple(count for count in counts if count > index)
            exists = (Condition(plain_name(counter.path), enough),) if len(enough) < len(counts) else ()
            path = (*draft.path, index)
            every = (*conditions, *exists)
            made.append(dataclasses.replace(blocks[index], name=plain_name(path), path=path, conditions=every))
        return made

    def _check_default(self, draft: Draft, most: int) -> None:
        """Check that the default list, which trials use if the conditions do not hold, has a value for every block."""
        need = draft.spec.only_when
        for key, entry in (draft.when.entries if draft.when else {}).items():
            unused = need is not None and self._find(key, draft.path) is self._find(need.name, draft.path)
            if not unused and len(draft.spec.default) < most:
                self._faults.add(
                    entry.mark,
                    f"if this does not hold, `{draft.spec.name}` has its default {show(list(draft.spec.default))}, "
                    f"which has no value for block {most}; remove `{key}` from `when`",
                )

    def _ordered(self, made: list[Parameter]) -> tuple[Parameter, ...]:
        ordered: list[Parameter] = []
        waiting = list(made)
        while waiting:
            done = {parameter.name for parameter in ordered}
            ready = next((p for p in waiting if all(c.name in done for c in p.conditions)), None)
            if ready is None:
                names = ", ".join(parameter.name for parameter in waiting)
                mark = next(draft.mark for draft in self._drafts() if draft.when and plain_name(draft.path) in names)
                self._faults.add(mark, f"the conditions form a cycle: {names}; remove one `when`")
                return ()
            ordered.append(ready)
            waiting.remove(ready)
        return tuple(ordered)

    def _reachable(self, ordered: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        """Remove the parameters of blocks that no trial has; report any other parameter that is never active."""
        by_name = {parameter.name: parameter for parameter in ordered}
        never = {name for name, parameter in by_name.items() if () in needed(parameter, by_name).values()}
        for draft in self._drafts():
            if plain_name(draft.path) in never:
                self._faults.add(
                    draft.mark, f"`{draft.spec.name}` is never active: its conditions exclude each other; remove one"
                )
        return tuple(parameter for parameter in ordered if parameter.name not in never)


def _without_missing(made: list[Parameter]) -> list[Parameter]:
    """Remove parameters that are never active because a condition names a parameter that this space does not have."""
    names = {parameter.name for parameter in made}
    kept = [parameter for parameter in made if all(condition.name in names for condition in parameter.conditions)]
    return kept if len(kept) == len(made) else _without_missing(kept)


def _check_possible(target: Known, value: Value) -> None:
    """Raise ValueError if a searched key never has this value; a fixed key passes, because `--set` can change it."""
    if isinstance(target, Constant):
        return
    name, parameter = target.spec.name, target.parameter
    if isinstance(parameter, FloatRange) and parameter.step is None and parameter.low < parameter.high:
        raise ValueError(f"`{name}` is continuous and never exactly {show(value)}; use a key with choices or integers")
    if parameter.contains(value):
        return
    if target.alternative is not None and same(value, target.alternative[0]):
        raise ValueError(f"{show(value)} is the `or:` of `{name}`, which a condition cannot use; use another key")
    raise ValueError(f"`{name}` is never {show(value)} in this space; remove the value here, or add it to `{name}`")


def _counts(known: Known | None) -> tuple[int, ...]:
    """Return the possible numbers of blocks; empty if the written value is a fault."""
    if known is None or (isinstance(known, Constant) and known.broken):
        return ()
    return tuple(value for value in values_of(known) if isinstance(value, int))


def check_lengths(known: MappingType[Path, Known], faults: Faults, fallback: Mark) -> None:
    """Check that a fixed list has a value for every possible block."""
    counter = known.get(_BLOCKS)
    most = max(_counts(counter), default=0)
    for path, constant in known.items():
        if not isinstance(constant, Constant) or not constant.spec.many or constant.broken:
            continue
        if len(constant.value) >= most or not _may_matter(known, constant):
            continue
        mark = constant.mark or (counter.mark if counter and counter.mark else fallback)
        name = ".".join(str(key) for key in path[1:])
        faults.add(
            mark,
            f"`{name}` must have one value per block, at least {most}, not {len(constant.value)}: "
            f"write {{fixed: [{', '.join('…' * most)}]}} or {{each: blocks, …}}",
        )


def _may_matter(known: MappingType[Path, Known], constant: Constant) -> bool:
    need = constant.spec.only_when
    target = known.get((*constant.path[:-1], need.name)) if need else None
    if need is None or target is None:
        return need is None
    if isinstance(target, Draft):
        return any(target.parameter.contains(value) for value in need.values)
    return not target.broken and target.value in need.values
