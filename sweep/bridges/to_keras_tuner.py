"""A search space as a KerasTuner hypermodel, so that KerasTuner's tuners search the space of a sweep.

    tuner = keras_tuner.RandomSearch(hypermodel(read_space(path)), objective=OBJECTIVE, max_trials=20)
    tuner.search()

The models are built and compiled as in a sweep, and `fit` trains them on the same batches of the same split.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from sweep.data.dataset import Dataset
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.errors import UserError
from sweep.models.build import build, compile_model
from sweep.records.seeds import Purpose, derive
from sweep.space.config import TrialConfig
from sweep.space.fields import Value
from sweep.space.model_sections import HypermodelConfig
from sweep.space.parameters import Choice, IntRange, Parameter, same
from sweep.space.space import Space
from sweep.space.wording import show
from sweep.training.callbacks import EpochStart, schedules
from sweep.training.tf_batches import training_batches, training_pipeline, validation_pipeline


def hypermodel(space: Space, dataset: Dataset | None = None, *, cache: Path = Path("cache")) -> SpaceHyperModel:
    """Return the space as a HyperModel.

    Args:
        space: the space; its conditions become conditional scopes, and its first start point becomes the defaults.
        dataset: training and validation images; None loads those of the space's section `data`.
        cache: folder for decoded images; a sweep uses the folder `cache` of `--home`.

    Raises:
        DataError: the images cannot be used.
        UserError: the space's model is a hypermodel already.
    """
    if dataset is None:
        dataset = load(prepare(space.data, cache), space.data)
    return SpaceHyperModel(space, dataset)


def objective_of(space: Space) -> keras_tuner.Objective:
    """Return the space's objective for a KerasTuner tuner."""
    direction = "max" if space.search.objective == "val_accuracy" else "min"
    return keras_tuner.Objective(space.search.objective, direction)


class SpaceHyperModel(keras_tuner.HyperModel):
    """Builds and trains points of a space.

    Args:
        space: the space to search.
        dataset: training and validation images.
    """

    def __init__(self, space: Space, dataset: Dataset) -> None:
        if isinstance(space.smallest_config.model, HypermodelConfig):
            raise UserError("the model of this space is a hypermodel already: pass it to the tuner directly")
        super().__init__(name=space.study)
        self._space = space
        self._dataset = dataset
        self._facts = dataset.facts
        self._defaults = space.start_from[0].values if space.start_from else {}
        self._built = 0

    def values(self, hp: keras_tuner.HyperParameters) -> dict[str, Value]:
        """Define every parameter and return the values of the active ones."""
        found: dict[str, Value] = {}
        by_name = {parameter.name: parameter for parameter in self._space.parameters}
        for parameter in self._space.parameters:
            with ExitStack() as scopes:
                for condition in parameter.conditions:
                    wanted = [encoded(by_name[condition.name], value) for value in condition.values]
                    scopes.enter_context(hp.conditional_scope(condition.name, wanted))
                value = _define(hp, parameter, self._defaults)
            if parameter.active(found):
                found[parameter.name] = decoded(parameter, value)
        return found

    def config(self, hp: keras_tuner.HyperParameters) -> TrialConfig:
        """Return a point's configuration; its seed follows from the study's seed and the number of earlier builds."""
        seed = derive(self._space.search.seed, Purpose.TRIAL, self._built)
        return self._space.config(self.values(hp), seed=seed)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Return a model compiled as in a sweep, but without a schedule that changes the learning rate at each step."""
        config = self.config(hp)
        self._built += 1
        keras.utils.set_random_seed(derive(config.seed))
        model = build(config, self._facts, derive(config.seed, Purpose.WEIGHTS))
        compile_model(model, config)
        return model

    def fit(
        self, hp: keras_tuner.HyperParameters, model: keras.Model, *args: Any, callbacks: Any = (), **kwargs: Any
    ) -> Any:
        """Train on the space's images, in the batches of a sweep, with its callbacks; a tuner may set `epochs`.

        Raises:
            TypeError: `search` received images.
        """
        if args or "validation_data" in kwargs:
            raise TypeError("the images are those of the space's section `data`: pass no images to `search`")
        config = self.config(hp)
        part = self._dataset.train
        batches = training_batches(part, self._facts.classes, config)
        return model.fit(
            training_pipeline(batches),
            shuffle=False,  # Keras would warn that it cannot shuffle a pipeline
            validation_data=validation_pipeline(self._dataset),
            callbacks=[EpochStart(batches, config.seed), *schedules(config.training), *callbacks],
            **{"epochs": config.training.epochs, "verbose": 0, **kwargs},
        )


def _define(hp: keras_tuner.HyperParameters, parameter: Parameter, defaults: Mapping[str, Value]) -> Any:
    default = encoded(parameter, defaults[parameter.name]) if parameter.name in defaults else None
    if isinstance(parameter, Choice):
        if _is_switch(parameter):
            return hp.Boolean(parameter.name, default=parameter.choices[0] if default is None else default)
        return hp.Choice(parameter.name, [encoded(parameter, value) for value in parameter.choices], default=default)
    sampling = "log" if parameter.log else "reverse_log" if parameter.reverse_log else "linear"
    limits = {"min_value": parameter.low, "max_value": parameter.high, "sampling": sampling, "default": default}
    if isinstance(parameter, IntRange):
        return hp.Int(parameter.name, step=parameter.step if sampling == "linear" else None, **limits)
    return hp.Float(parameter.name, step=parameter.step, **limits)


def _is_switch(parameter: Choice) -> bool:
    return len(parameter.choices) == 2 and all(isinstance(choice, bool) for choice in parameter.choices)


def _is_plain(parameter: Choice) -> bool:
    """True if KerasTuner accepts the choices unchanged: all of them are int, all are float, or all are text."""
    kinds = {type(choice) for choice in parameter.choices}
    return len(kinds) == 1 and kinds <= {int, float, str}


def encoded(parameter: Parameter, value: Value) -> Value:
    """Return a value that KerasTuner can store: a value of an unsupported type becomes text."""
    if not isinstance(parameter, Choice) or _is_switch(parameter) or _is_plain(parameter):
        return value
    return show(value)


def decoded(parameter: Parameter, value: Value) -> Value:
    """Return the original value of an encoded value."""
    if not isinstance(parameter, Choice):
        return value
    return next(choice for choice in parameter.choices if same(encoded(parameter, choice), value))
