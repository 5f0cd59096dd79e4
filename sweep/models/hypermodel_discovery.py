"""Find by building models which hyperparameters a hypermodel has, and under which conditions it reads each one.

KerasTuner knows a hyperparameter's conditions only if `conditional_scope` or `parent_name` states them. Where plain
Python decides (`for i in range(hp.Int("layers", 1, 3))`), KerasTuner samples values that are never read. This module
builds a model for each value that may decide, and makes a hyperparameter conditional if it is not always read.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import keras_tuner
import numpy as np
from typing_extensions import override

from sweep.errors import ModelError, SweepError
from sweep.models.hypermodels import (
    build_from,
    deployable_hypermodel,
    fit_takes,
    has_user_fit,
    label_kind,
    make_hypermodel,
    run_user_fit,
)
from sweep.models.hyperparameters import ChosenHyperParameters, hp_types, named, plain_hyperparameter, to_parameter
from sweep.models.user_model_checks import check_outputs_for_noise, has_schedule, is_compiled
from sweep.records.image_facts import ImageFacts
from sweep.space.fields import Value
from sweep.space.hypermodel_space import Discovery
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Choice, Condition, IntRange, Parameter

MAX_BUILDS = 200
"""Maximum number of builds; a larger space must use `conditional_scope`, which needs no builds."""
MAX_BRANCHES = 20
"""A hyperparameter with more values is treated as a size, which does not decide whether others are read."""
COLLECT_EVERY = 8
"""Number of builds between two garbage collections; a collection takes about as long as a small build."""
_PROBE_IMAGES = 4


class FitEnded(BaseException):
    """Ends a user's `fit`. It is not an Exception, so that `except Exception` in user code does not catch it."""


def discover(section: HypermodelConfig, facts: ImageFacts, written: Mapping[str, Parameter]) -> Discovery:
    """Return the hyperparameters of a hypermodel.

    Args:
        section: the section `model`, whose `hyperparameters` are ignored.
        facts: facts of the images.
        written: hyperparameters in the space file; the bounds of all others are those that the hypermodel states.

    Raises:
        ModelError: the hypermodel cannot be built with its defaults.
    """
    return _Explorer(section, facts, written).discovery()


class _Explorer:
    def __init__(self, section: HypermodelConfig, facts: ImageFacts, written: Mapping[str, Parameter]) -> None:
        self._section = section
        self._facts = facts
        self._hypermodel = make_hypermodel(section, facts)
        self._written = {plain_hyperparameter(name): parameter for name, parameter in written.items()}
        self._built: dict[frozenset[tuple[str, Value]], frozenset[str] | None] = {}
        """For each build, by its values: the names of the hyperparameters that it read; None if it failed."""
        self._unused: dict[str, str] = {}
        self._space: list[Any] = []

    def discovery(self) -> Discovery:
        self._build(self._within({}))
        self._explore()
        conditions = self._implied()
        definitions = list(named(self._space))
        searched = [(name, each) for name, each in definitions if not isinstance(each, hp_types.Fixed)]
        self._check_parents(definitions)
        parents = {name: to_parameter(name, each, ()) for name, each in searched}
        made = [
            to_parameter(name, each, (*_stated(each, parents), *conditions.get(each.name, ())))
            for name, each in searched
        ]
        parameters = tuple(each for each in made if all(condition.values for condition in each.conditions))
        return Discovery(
            parameters=_ordered(parameters),
            fixed={name: each.value for name, each in definitions if isinstance(each, hp_types.Fixed)},
            defaults={name: each.default for name, each in searched if name in {p.name for p in parameters}},
            unused=self._unused,
        )

    def _unused_by(self, model: keras.Model) -> dict[str, str]:
        """Return the keys of the section `training` that have no effect, with the reason."""
        hypermodel = self._section.hypermodel
        reasons = dict.fromkeys(_OF_BUILDERS, "hypermodels do not use it")
        user_fit = has_user_fit(self._hypermodel)
        if is_compiled(model):
            if has_schedule(model):
                reasons[PLATEAU] = f"the optimizer of {hypermodel} has its own schedule"
            reasons |= dict.fromkeys(OPTIMIZER_KEYS, f"{hypermodel} compiles its model itself")
        elif user_fit:
            reason = f"the `fit` of {hypermodel} has its own optimizer"
            reasons |= dict.fromkeys((*OPTIMIZER_KEYS, PLATEAU, "early_stopping"), reason)
        for key in ("epochs", "batch_size") if user_fit else ():
            if not fit_takes(self._hypermodel, key):
                reasons[key] = f"the `fit` of {hypermodel} has its own `{key}`"
        return reasons

    def _explore(self) -> None:
        """Build the largest model, the smallest and each branch; repeat this while new hyperparameters appear."""
        known = -1
        while known < len(self._space):
            known = len(self._space)
            for values in list(self._points()):
                self._build(values)

    def _points(self) -> Iterator[dict[str, Value]]:
        yield {definition.name: self._values(definition)[-1] for definition in self._space}
        yield {definition.name: self._values(definition)[0] for definition in self._space}
        for definition in self._space:
            if isinstance(definition, hp_types.Boolean) or isinstance(definition.default, str):
                for value in self._values(definition):
                    yield self._within({definition.name: value})
            for condition in definition.conditions:
                yield self._within(
                    {c.name: c.values[0] for c in definition.conditions if c.name != condition.name}
                    | {condition.name: condition.values[0]}
                )

    def _values(self, definition: Any) -> tuple[Value, ...]:
        """Return the values to try, in order of size: all of a choice or of a short range, otherwise both ends."""
        parameter = self._written.get(definition.name) or to_parameter(definition.name, definition, ())
        if isinstance(parameter, Choice):
            numbers = all(isinstance(value, int | float) for value in parameter.choices)
            return tuple(sorted(parameter.choices)) if numbers else parameter.choices  # type: ignore[type-var]
        if isinstance(parameter, IntRange) and (parameter.high - parameter.low) // parameter.step < MAX_BRANCHES:
            return tuple(parameter.grid())
        return parameter.extremes()

    def _within(self, values: dict[str, Value]) -> dict[str, Value]:
        """Return those values that the space file allows, plus an allowed value for each default that it forbids."""
        given = {
            name: parameter.extremes()[0]
            for name, parameter in self._written.items()
            if not any(d.name == name and parameter.contains(d.default) for d in self._space)
        }
        allowed = {n: v for n, v in values.items() if n not in self._written or self._written[n].contains(v)}
        return {**given, **allowed}

    def _build(self, values: Mapping[str, Value]) -> frozenset[str] | None:
        """Build with these values and return what was read; None if the build failed. The first build must succeed."""
        key = frozenset(values.items())
        if key not in self._built:
            if len(self._built) >= MAX_BUILDS:
                raise ModelError(
                    f"the search space of {self._section.hypermodel} could not be found in {MAX_BUILDS} builds; "
                    "use hp.conditional_scope to declare which hyperparameters depend on which"
                )
            first = not self._built
            try:
                self._built[key] = self._read_by(values)
            except SweepError:
                if first:
                    raise
                self._built[key] = None
        return self._built[key]

    def _read_by(self, values: Mapping[str, Value]) -> frozenset[str]:
        keras.backend.clear_session()
        if len(self._built) % COLLECT_EVERY == 0:
            gc.collect()
        hyperparameters = ChosenHyperParameters(values)
        model = build_from(self._hypermodel, hyperparameters, self._section, self._facts)
        if not (self._built or is_compiled(model)):
            self._check_outputs(model)
        if has_user_fit(self._hypermodel):
            probe_fit(self._hypermodel, hyperparameters, model, label_kind(model, self._section), self._facts)
        for definition in hyperparameters.space:
            if not any(d.name == definition.name and d.conditions == definition.conditions for d in self._space):
                self._space.append(definition)
        if not self._built:
            self._unused = self._unused_by(model)  # after `fit`, which may have compiled the model
        return frozenset(hyperparameters.read)

    def _check_outputs(self, model: keras.Model) -> None:
        """Check the outputs of a model that is not compiled, unless its `fit` may reshape the images first."""
        if not model.built or tuple(model.input_shape[1:]) != self._facts.shape:
            return
        whole = deployable_hypermodel(model, self._section, self._facts)
        check_outputs_for_noise(whole, self._facts.shape, self._section.output, self._section.hypermodel)

    def _implied(self) -> dict[str, tuple[Condition, ...]]:
        """Find each hyperparameter's conditions in plain Python code by changing one other hyperparameter at a time."""
        built = [read for read in self._built.values() if read is not None]
        names = list(dict.fromkeys(definition.name for definition in self._space))
        stated = {definition.name for definition in self._space if definition.conditions}
        doubtful = [n for n in names if n not in stated and not all(n in read for read in built)]
        fixed = {definition.name for definition in self._space if isinstance(definition, hp_types.Fixed)}
        return {name: self._deciders(name, names) for name in doubtful if name not in fixed}

    def _deciders(self, name: str, names: list[str]) -> tuple[Condition, ...]:
        base = next((dict(key) for key, read in self._built.items() if read is not None and name in read), None)
        found: list[Condition] = []
        for decider in names[: names.index(name)]:
            definition = next(each for each in self._space if each.name == decider)
            values = self._values(definition)
            if base is None or not _may_decide(definition, values):
                continue
            tried = [(value, self._build({**base, **self._within({decider: value})})) for value in values]
            works = tuple(value for value, read in tried if read is not None and name in read)
            failed = [value for value, read in tried if read is None]
            if 0 < len(works) < len(values) - len(failed):
                found.append(Condition(decider, works))
        return tuple(found)

    def _check_parents(self, definitions: list[tuple[str, Any]]) -> None:
        parents = {condition.name for _, each in definitions for condition in each.conditions}
        twice = [name for name in parents if sum(each.name == name for _, each in definitions) > 1]
        if twice:
            raise ModelError(
                f"{self._section.hypermodel} has several hyperparameters named {twice[0]!r}, and others depend on it; "
                "give them different names"
            )


OPTIMIZER_KEYS = (
    "optimizer", "momentum", "weight_decay", "learning_rate", "clipnorm", "label_smoothing",
    "schedule", "warmup_epochs", "lowest_rate", "cycle_epochs",
)  # fmt: skip
"""Keys of the section `training` that have no effect on a model that the user has compiled."""
PLATEAU = "reduce_lr_on_plateau"
"""A key that has no effect on a model whose optimizer has its own schedule."""
_OF_BUILDERS = ("class_weights", "precision", "restart_every")
"""Keys of the section `training` that no hypermodel reads."""


def _stated(definition: Any, parents: Mapping[str, Parameter]) -> tuple[Condition, ...]:
    """Return KerasTuner's conditions with values of the parents' types: KerasTuner writes True instead of 1."""
    found = []
    for condition in definition.conditions:
        parent, values = parents.get(condition.name), tuple(condition.values)
        if isinstance(parent, Choice):
            values = tuple(choice for choice in parent.choices if choice in values)
        elif isinstance(parent, IntRange):
            values = tuple(value for value in values if parent.contains(value))
        elif parent is not None:  # a condition on a float never holds: no sampled float equals a stated value
            values = ()
        found.append(Condition(condition.name, values))
    return tuple(found)


def _may_decide(definition: Any, values: tuple[Value, ...]) -> bool:
    """False for floats, and for integers that seem to be sizes, not counts: the step is not 1 or the range is long."""
    if isinstance(definition, hp_types.Int):
        return bool(definition.step == 1 and definition.max_value - definition.min_value < MAX_BRANCHES)
    return len(values) <= MAX_BRANCHES and isinstance(definition, hp_types.Boolean | hp_types.Choice)


def _ordered(parameters: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
    """Return the parameters in an order in which each one follows the parameters of its conditions."""
    ordered: list[Parameter] = []
    waiting = list(parameters)
    while waiting:
        done = {parameter.name for parameter in ordered}
        known = done | {parameter.name for parameter in waiting}
        ready = next((p for p in waiting if all(c.name in done or c.name not in known for c in p.conditions)), None)
        ordered.append(ready or waiting[0])
        waiting.remove(ordered[-1])
    return tuple(ordered)


def probe_fit(
    hypermodel: keras_tuner.HyperModel,
    hyperparameters: Any,
    model: keras.Model,
    labels: str,
    facts: ImageFacts,
) -> None:
    """Run a user's `fit` up to the start of training, to find the hyperparameters that it reads."""

    def stop(*_: Any, **__: Any) -> None:
        raise FitEnded

    model.fit = stop
    images = np.zeros((_PROBE_IMAGES, *facts.shape), np.float32)
    numbers = np.arange(_PROBE_IMAGES) % facts.classes
    answers = numbers if labels == "integer" else np.eye(facts.classes, dtype=np.float32)[numbers]
    keywords = {"callbacks": [_Stop()], "epochs": 1, "batch_size": _PROBE_IMAGES, "verbose": 0}
    with contextlib.suppress(FitEnded):
        run_user_fit(hypermodel, hyperparameters, model, (images, answers, (images, answers)), keywords)


class _Stop(keras.callbacks.Callback):
    """Ends a training loop other than `model.fit`."""

    @override
    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        raise FitEnded

    on_epoch_end = on_epoch_begin  # a user's loop may call only on_epoch_end
