"""From values as written to parameters: names, one per block, conditions, sampling order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any

from sweep.space.fields import FieldSpec, Value, checked, fields_of
from sweep.space.parameters import Choice, Condition, FloatRange, IntRange, Parameter, Path, needed, same
from sweep.space.user_model_configs import HYPERPARAMETERS
from sweep.space.value_reader import Draft
from sweep.space.wording import did_you_mean, show
from sweep.space.yaml_tree import Entry, Faults, Mark, Scalar, Sequence


@dataclass(frozen=True)
class Constant:
    """A key with one value for all trials: written, or left at its default.

    Attributes:
        mark: of the written value.
        broken: what was written is a fault, so nothing that depends on it is judged.
    """

    spec: FieldSpec
    path: Path
    value: Any
    mark: Mark | None
    broken: bool = False


Known = Draft | Constant

_BLOCKS: Path = ("model", "blocks")


def plain_name(path: Path) -> str:
    """The name under which a parameter is shown: the keys below the section, joined by `_`.

    Only `augmentation` stays in front, because `strength` or `zoom` alone would not say of what.
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
    """Every key that a condition can name, by path."""
    known: dict[Path, Known] = {}
    searched = {draft.path: draft for draft in drafts}
    for name, section in sections.items():
        # In the order of the dataclasses, not of the file: the same space in another order of keys is the same space.
        _add_section(section, (name,), template.get(name, {}), marks, searched, known)
    return known


def _add_section(
    section: type[Any],
    prefix: Path,
    fixed: Any,
    marks: MappingType[Path, Mark],
    searched: MappingType[Path, Draft],
    known: dict[Path, Known],
) -> None:
    for name, spec in fields_of(section).items():
        path = (*prefix, name)
        if spec.nested is not None:
            if name in fixed or not spec.optional:
                _add_section(spec.nested, path, fixed.get(name) or {}, marks, searched, known)
        elif path in searched:
            known[path] = searched[path]
        else:
            value = fixed.get(name, spec.default)
            known[path] = Constant(spec, path, value, marks.get(path), broken=path in marks and name not in fixed)


class Resolver:
    """Turns drafts into parameters. One use; what is wrong lands in `faults`."""

    def __init__(self, known: dict[Path, Known], faults: Faults) -> None:
        self._known = known
        self._faults = faults
        self._by_name = {plain_name(path): path for path in known}

    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, those that conditions name before those that have the conditions."""
        made: list[Parameter] = []
        for draft in self._drafts():
            conditions = self._conditions(draft)
            self._check_counter(draft)
            if conditions is None:
                continue
            self._check_effect(draft, conditions)
            made.extend(self._expand(draft, conditions))
        self._check_names(made)
        return () if len(self._faults) else self._reachable(self._ordered(_without_missing(made)))

    def _drafts(self) -> list[Draft]:
        return [known for known in self._known.values() if isinstance(known, Draft)]

    def find(self, key: str, around: Path) -> Known | None:
        """What a key means at a place: a sibling, else a key of the section, else a name or dotted path anywhere."""
        for length in range(len(around) - 1, 0, -1):
            found = self._known.get((*around[:length], key))
            if found is not None:
                return found
        return self._known.get(self._by_name.get(key, tuple(key.split("."))))

    def _conditions(self, draft: Draft) -> tuple[Condition, ...] | None:
        """The conditions of `when`, in the order of the catalog; None if one can never hold or is wrong."""
        found: dict[Path, tuple[Condition, ...] | None] = {}
        faults = len(self._faults)
        for key, entry in (draft.when.entries if draft.when else {}).items():
            target = self._target(key, entry, draft)
            if target is None:
                continue
            if target.path in found:
                self._faults.add(entry.mark, f"`when` names `{target.spec.name}` twice; keep one of them")
            found[target.path] = self._condition(target, entry)
        if len(self._faults) > faults or None in found.values():
            return None
        return tuple(condition for path in self._known for condition in found.get(path) or ())

    def _target(self, key: str, entry: Entry, draft: Draft) -> Known | None:
        """What a condition names."""
        target = self.find(key, draft.path)
        if target is None or target is draft:
            siblings = [str(path[-1]) for path in self._known if path[:-1] == draft.path[:-1]]
            hint = did_you_mean(key, [name for name in (*siblings, *self._by_name) if name != draft.spec.name])
            self._faults.add(entry.mark, f"`when`: there is no other value named `{key}`{hint}")
            return None
        if target.spec.many:
            self._faults.add(entry.mark, f"`when`: `{key}` is one value per block; name a key with a single value")
            return None
        if draft.each is not None and target.path[-1] == draft.each.value:
            self._faults.add(entry.mark, f"`each: {draft.each.value}` says this already; remove `{key}` from `when`")
            return None
        return target

    def _condition(self, target: Known, entry: Entry) -> tuple[Condition, ...] | None:
        """One condition, or none where a fixed value meets it; None if it can never hold or is wrong."""
        allowed = self._allowed(target, entry)
        if allowed is None:
            return None
        if isinstance(target, Draft):
            return (Condition(plain_name(target.path), allowed),)
        holds = target.broken or any(same(target.value, value) for value in allowed)
        return () if holds else None

    def _allowed(self, target: Known, entry: Entry) -> tuple[Value, ...] | None:
        items = entry.node.items if isinstance(entry.node, Sequence) else (entry.node,)
        if not items:
            self._faults.add(entry.node.mark, "`when` wants a value or a list of values, not an empty list")
            return None
        values: list[Value] = []
        for item in items:
            if not isinstance(item, Scalar):
                self._faults.add(item.mark, "`when` wants a value or a list of values")
                return None
            try:
                values.append(checked(target.spec, item.value))
                _check_possible(target, item.value)
            except ValueError as error:
                self._faults.add(item.mark, f"`when`: {error}")
                return None
        return tuple(dict.fromkeys(values))

    def _check_counter(self, draft: Draft) -> None:
        """The number of blocks decides what else there is, so it must be known in every trial."""
        if draft.path != _BLOCKS:
            return
        for key, found in (("when", draft.when), ("or", draft.alternative)):
            if found is not None:
                self._faults.add(draft.mark, f"`blocks` is needed in every trial; remove `{key}`")

    def _check_effect(self, draft: Draft, conditions: tuple[Condition, ...]) -> None:
        """A searched value must be able to take effect wherever it is sampled."""
        need = draft.spec.only_when
        target = self.find(need.name, draft.path) if need else None
        if need is None or target is None:
            return
        name = draft.spec.name
        if isinstance(target, Constant):
            if target.broken:
                return
            if target.value not in need.values:
                self._faults.add(
                    draft.mark,
                    f"`{name}` has no effect while `{need.name}` is {show(target.value)}; "
                    f"remove it, or set `{need.name}` to {' or '.join(map(str, need.values))}",
                )
            return
        allowed = next((c.values for c in conditions if c.name == plain_name(target.path)), _values(target.parameter))
        if not set(allowed) <= set(need.values):
            wanted = [value for value in need.values if _possible(target, value)]
            written = str(wanted[0]) if len(wanted) == 1 else f"[{', '.join(map(str, wanted))}]"
            self._faults.add(
                draft.mark,
                f"`{name}` has an effect only with some values of `{need.name}`; "
                f"add `when: {{{need.name}: {written}}}`",
            )

    def _expand(self, draft: Draft, conditions: tuple[Condition, ...]) -> list[Parameter]:
        name = plain_name(draft.path)
        if draft.each is not None:
            return self._one_per(draft, draft.each, conditions)
        if draft.alternative is None:
            return [dataclasses.replace(draft.parameter, name=name, conditions=conditions)]
        switch = Choice(f"use_{name}", (), conditions, choices=(True, False))
        on = Condition(switch.name, (True,))
        return [switch, dataclasses.replace(draft.parameter, name=name, conditions=(*conditions, on))]

    def _one_per(self, draft: Draft, each: Scalar, conditions: tuple[Condition, ...]) -> list[Parameter]:
        counter = self.find(str(each.value), draft.path)
        if counter is None or counter.path != _BLOCKS:
            self._faults.add(each.mark, f"`each` must name `blocks`, not {show(each.value)}")
            return []
        counts = _counts(counter)
        if not counts:
            return []
        self._check_rest(draft, max(counts))
        blocks = (draft.parameter, *draft.later) if draft.later else (draft.parameter,) * max(counts)
        if len(blocks) < max(counts):
            self._faults.add(
                draft.mark,
                f"`{draft.spec.name}` has choices for {len(blocks)} blocks, but there can be {max(counts)}; "
                "add a list for each block, or give one list for all",
            )
            return []
        made: list[Parameter] = []
        for index in range(max(counts)):
            enough = tuple(count for count in counts if count > index)
            exists = (Condition(plain_name(counter.path), enough),) if len(enough) < len(counts) else ()
            path = (*draft.path, index)
            made.append(
                dataclasses.replace(blocks[index], name=plain_name(path), path=path, conditions=(*conditions, *exists))
            )
        return made

    def _check_rest(self, draft: Draft, most: int) -> None:
        """Where the conditions do not hold, the default list stands in, and must be long enough if it is used."""
        need = draft.spec.only_when
        for key, entry in (draft.when.entries if draft.when else {}).items():
            effect = need is not None and self.find(key, draft.path) is self.find(need.name, draft.path)
            if not effect and len(draft.spec.default) < most:
                self._faults.add(
                    entry.mark,
                    f"where this does not hold, `{draft.spec.name}` is left at {show(list(draft.spec.default))}, "
                    f"too few for {most} blocks; remove `{key}` from `when`",
                )

    def _check_names(self, made: list[Parameter]) -> None:
        seen: dict[str, Parameter] = {}
        for parameter in made:
            other = seen.setdefault(parameter.name, parameter)
            if other is not parameter:
                path = next(
                    known for known in self._known if known == parameter.path[: len(known)] or not parameter.path
                )
                draft = self._known[path]
                if isinstance(draft, Draft):
                    self._faults.add(draft.mark, f"two parameters would have the name `{parameter.name}`")

    def _ordered(self, made: list[Parameter]) -> tuple[Parameter, ...]:
        ordered: list[Parameter] = []
        waiting = list(made)
        while waiting:
            done = {parameter.name for parameter in ordered}
            ready = next((p for p in waiting if all(c.name in done for c in p.conditions)), None)
            if ready is None:
                names = ", ".join(parameter.name for parameter in waiting)
                mark = next(draft.mark for draft in self._drafts() if draft.when and plain_name(draft.path) in names)
                self._faults.add(mark, f"the conditions go in a circle: {names}; remove one `when`")
                return ()
            ordered.append(ready)
            waiting.remove(ready)
        return tuple(ordered)

    def _reachable(self, ordered: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        """Without the blocks that no trial has; any other parameter that is never active is a fault."""
        by_name = {parameter.name: parameter for parameter in ordered}
        never = {name for name, parameter in by_name.items() if () in needed(parameter, by_name).values()}
        for draft in self._drafts():
            if plain_name(draft.path) in never:
                self._faults.add(draft.mark, f"`{draft.spec.name}` is never active: its conditions exclude each other")
        return tuple(parameter for parameter in ordered if parameter.name not in never)


def _without_missing(made: list[Parameter]) -> list[Parameter]:
    """Without those whose condition names a parameter that this space does not have: it can never hold."""
    names = {parameter.name for parameter in made}
    kept = [parameter for parameter in made if all(condition.name in names for condition in parameter.conditions)]
    return kept if len(kept) == len(made) else _without_missing(kept)


def _values(parameter: Parameter) -> tuple[Value, ...]:
    """All values of a choice or an integer range; the ends of a float range."""
    return tuple(parameter.grid()) if isinstance(parameter, Choice | IntRange) else parameter.extremes()


def values_of(known: Known) -> tuple[Value, ...]:
    """What a key can be: its values where it is searched, else the one it has."""
    return _values(known.parameter) if isinstance(known, Draft) else (known.value,)


def _possible(draft: Draft, value: Value) -> bool:
    return draft.parameter.contains(value)


def _check_possible(target: Known, value: Value) -> None:
    """Raise ValueError if a condition on this value can never hold; of a fixed key any may, by an override."""
    if isinstance(target, Constant):
        return
    name, parameter = target.spec.name, target.parameter
    if isinstance(parameter, FloatRange) and parameter.step is None and parameter.low < parameter.high:
        raise ValueError(
            f"`{name}` has a continuous range and is never exactly {show(value)}; name a choice or an integer"
        )
    if _possible(target, value):
        return
    if target.alternative is not None and same(value, target.alternative[0]):
        raise ValueError(f"{show(value)} is the `or:` of `{name}`, which a condition cannot name; use another key")
    raise ValueError(f"`{name}` is never {show(value)} in this space; remove the value here, or let `{name}` have it")


def _counts(known: Known | None) -> tuple[int, ...]:
    """The numbers of blocks that there can be; empty if what was written is a fault."""
    if known is None or (isinstance(known, Constant) and known.broken):
        return ()
    return tuple(value for value in values_of(known) if isinstance(value, int))


def check_lengths(known: MappingType[Path, Known], faults: Faults, fallback: Mark) -> None:
    """A fixed list must have a value for every block that there can be."""
    counter = known.get(_BLOCKS)
    most = max(_counts(counter), default=0)
    for path, constant in known.items():
        if not isinstance(constant, Constant) or not constant.spec.many or constant.broken:
            continue
        if not _may_matter(known, constant) or len(constant.value) >= most:
            continue
        mark = constant.mark or (counter.mark if counter and counter.mark else fallback)
        name = ".".join(str(key) for key in path[1:])
        faults.add(
            mark,
            f"`{name}` has {len(constant.value)} values, but there can be {most} blocks: "
            f"write {{fixed: [{', '.join('…' * most)}]}} or {{each: blocks, …}}",
        )


def _may_matter(known: MappingType[Path, Known], constant: Constant) -> bool:
    need = constant.spec.only_when
    if need is None:
        return True
    target = known.get((*constant.path[:-1], need.name))
    if isinstance(target, Draft):
        return any(_possible(target, value) for value in need.values)
    return isinstance(target, Constant) and not target.broken and target.value in need.values
