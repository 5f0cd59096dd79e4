"""From values as written to parameters: names, one per block, conditions, sampling order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import Any

from sweep.space.config import Value
from sweep.space.distributions import Draft
from sweep.space.fields import FieldSpec, check_value, did_you_mean, fields_of, normalize, show
from sweep.space.parameters import Choice, Condition, IntRange, Parameter, Path, same
from sweep.space.yaml_tree import Entry, Faults, Mark, Scalar, Sequence


@dataclass(frozen=True)
class Constant:
    """A key with one value for all trials: written, or left at its default."""

    spec: FieldSpec
    path: Path
    value: Any
    mark: Mark | None


Known = Draft | Constant


def plain_name(path: Path) -> str:
    """The name under which a parameter is shown: the keys below the section, joined by `_`.

    Only `augmentation` stays in front, because `strength` or `zoom` alone would not say of what.
    """
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
    defaults = {item.name: item for item in dataclasses.fields(section)}
    for name, spec in fields_of(section).items():
        path = (*prefix, name)
        if spec.nested is not None:
            if name in fixed or not spec.optional:
                _add_section(spec.nested, path, fixed.get(name) or {}, marks, searched, known)
        elif path in searched:
            known[path] = searched[path]
        else:
            value = fixed[name] if name in fixed else defaults[name].default
            known[path] = Constant(spec, path, value, marks.get(path))


class Resolver:
    """Turns drafts into parameters. One use; what is wrong lands in `faults`."""

    def __init__(self, known: dict[Path, Known], faults: Faults) -> None:
        self._known = known
        self._faults = faults
        self._by_name = {plain_name(path): path for path in known}

    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, those that conditions name before those that have the conditions."""
        made: list[Parameter] = []
        for draft in [known for known in self._known.values() if isinstance(known, Draft)]:
            conditions = self._conditions(draft)
            if conditions is None:
                continue
            self._check_effect(draft, conditions)
            made.extend(self._expand(draft, conditions))
        self._check_names(made)
        return () if len(self._faults) else self._ordered(made)

    def find(self, key: str, around: Path) -> Known | None:
        """What a key means at a place: a sibling, else a key of the section, else a name or dotted path anywhere."""
        for length in range(len(around) - 1, 0, -1):
            found = self._known.get((*around[:length], key))
            if found is not None:
                return found
        return self._known.get(self._by_name.get(key, tuple(key.split("."))))

    def _conditions(self, draft: Draft) -> tuple[Condition, ...] | None:
        """The conditions of `when`; None if one can never hold or is wrong."""
        found: list[Condition] = []
        for key, entry in (draft.when.entries if draft.when else {}).items():
            target = self.find(key, draft.path)
            if target is None or target is draft:
                siblings = [str(path[-1]) for path in self._known if path[:-1] == draft.path[:-1]]
                hint = did_you_mean(key, [*siblings, *self._by_name])
                self._faults.add(entry.mark, f"`when`: there is no other value named `{key}`{hint}")
                return None
            allowed = self._allowed(target, entry)
            if allowed is None:
                return None
            if isinstance(target, Draft):
                found.append(Condition(plain_name(target.path), allowed))
            elif not any(same(target.value, value) for value in allowed):
                return None
        return tuple(found)

    def _allowed(self, target: Known, entry: Entry) -> tuple[Value, ...] | None:
        items = entry.node.items if isinstance(entry.node, Sequence) else (entry.node,)
        values: list[Value] = []
        for item in items:
            if not isinstance(item, Scalar):
                self._faults.add(item.mark, "`when` wants a value or a list of values")
                return None
            fault = check_value(target.spec, item.value)
            if fault is None and isinstance(target, Draft) and not _possible(target, item.value):
                fault = f"`{target.spec.name}` is never {show(item.value)} in this space"
            if fault:
                self._faults.add(item.mark, f"`when`: {fault}")
                return None
            values.append(normalize(target.spec, item.value))
        return tuple(values)

    def _check_effect(self, draft: Draft, conditions: tuple[Condition, ...]) -> None:
        """A searched value must be able to take effect wherever it is sampled."""
        need = draft.spec.only_when
        target = self.find(need.name, draft.path) if need else None
        if need is None or target is None:
            return
        name = draft.spec.name
        if isinstance(target, Constant):
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
        counts = _counts(counter)
        if counter is None or not counts or counter.path[-1] != "blocks":
            self._faults.add(each.mark, f"`each` must name `blocks`, not {show(each.value)}")
            return []
        made: list[Parameter] = []
        for index in range(max(counts)):
            enough = tuple(count for count in counts if count > index)
            exists = (Condition(plain_name(counter.path), enough),) if len(enough) < len(counts) else ()
            path = (*draft.path, index)
            made.append(
                dataclasses.replace(
                    draft.parameter, name=plain_name(path), path=path, conditions=(*conditions, *exists)
                )
            )
        return made

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
                mark = next(k.mark for k in self._known.values() if isinstance(k, Draft) and k.when)
                self._faults.add(mark, f"the conditions go in a circle: {names}")
                return ()
            ordered.append(ready)
            waiting.remove(ready)
        return tuple(ordered)


def _values(parameter: Parameter) -> tuple[Value, ...]:
    """All values of a choice or an integer range; the ends of a float range."""
    return tuple(parameter.grid()) if isinstance(parameter, Choice | IntRange) else parameter.extremes()


def _possible(draft: Draft, value: Value) -> bool:
    return draft.parameter.contains(value)


def _counts(known: Known | None) -> tuple[int, ...]:
    """The numbers that a counting key can be; empty if it does not count."""
    if known is None or known.spec.many or known.spec.kind is not int:
        return ()
    values = _values(known.parameter) if isinstance(known, Draft) else (known.value,)
    whole = tuple(value for value in values if isinstance(value, int) and not isinstance(value, bool))
    return whole if len(whole) == len(values) and len(whole) <= 1000 and max(whole, default=0) <= 100 else ()


def check_lengths(known: MappingType[Path, Known], blocks: Path, faults: Faults, fallback: Mark) -> None:
    """A fixed list must have a value for every block that there can be."""
    counter = known.get(blocks)
    most = max(_counts(counter), default=0)
    for path, constant in known.items():
        if not isinstance(constant, Constant) or not constant.spec.many or path[0] != blocks[0]:
            continue
        if not _may_matter(known, constant) or len(constant.value) >= most:
            continue
        mark = constant.mark or (counter.mark if counter and counter.mark else fallback)
        name = ".".join(str(key) for key in path[1:])
        faults.add(
            mark,
            f"`{name}` has {len(constant.value)} values, but there can be {most} blocks: "
            f"write {{fixed: [{most} values]}} or {{each: blocks, …}}",
        )


def _may_matter(known: MappingType[Path, Known], constant: Constant) -> bool:
    need = constant.spec.only_when
    if need is None:
        return True
    target = known.get((*constant.path[:-1], need.name))
    if isinstance(target, Draft):
        return any(_possible(target, value) for value in need.values)
    return isinstance(target, Constant) and target.value in need.values
