"""KerasTuner hypermodels: making them, building their models, and calling their `fit`."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner
from keras_tuner.applications import HyperImageAugment

from sweep.errors import ModelError
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.model_size import check_parameters
from sweep.models.preprocessing import pixel_scaling_layers
from sweep.models.transfer import missing_download
from sweep.models.user_code import call_user_code, given_facts, load_user_code, user_frames
from sweep.models.user_model_checks import check_output_kind, check_outputs, is_compiled, wants_integers
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import HypermodelConfig

_AUGMENT_MODULE = sys.modules[HyperImageAugment.__module__]


def make_hypermodel(section: HypermodelConfig, facts: ImageFacts) -> keras_tuner.HyperModel:
    """Return the hypermodel of a section, which refers to an instance, a class or a function `build(hp)`.

    A class is called with the facts that its constructor takes.

    Raises:
        ModelError: the reference cannot be imported or called, or is something else.
    """
    found = load_user_code(section)
    if inspect.isclass(found) and issubclass(found, keras_tuner.HyperModel):
        parameters = inspect.signature(found).parameters.keys() - {"seed"}
        given = {name: value for name, value in given_facts(facts, seed=0).items() if name in parameters}
        found = call_user_code(found, section.hypermodel, given)
    if isinstance(found, keras_tuner.HyperModel):
        return found
    if inspect.isclass(found) or not callable(found):
        raise ModelError(
            f"{section.hypermodel} is a {type(found).__name__}; expected a keras_tuner.HyperModel, its class, or a "
            "function build(hp)"
        )
    hypermodel = keras_tuner.HyperModel()
    hypermodel.build = found
    return hypermodel


def has_user_fit(hypermodel: keras_tuner.HyperModel) -> bool:
    """True if the hypermodel overrides `fit`."""
    return bool(type(hypermodel).fit is not keras_tuner.HyperModel.fit)


def build_from(
    hypermodel: keras_tuner.HyperModel,
    hyperparameters: keras_tuner.HyperParameters,
    section: HypermodelConfig,
    facts: ImageFacts,
) -> keras.Model:
    """Build and check a model.

    Raises:
        ModelError: `build` fails, or returns something other than a classifier of these images.
        TrialFailure: too_large.
    """
    hypermodel.declare_hyperparameters(hyperparameters)
    try:
        model = hypermodel.build(hyperparameters)
    except Exception as error:
        raise _explained(error, section.hypermodel) from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"{section.hypermodel}: build(hp) must return a keras.Model, not {type(model).__name__}")
    if not has_user_fit(hypermodel):  # a user's `fit` may reshape the images before the model is built
        _build_shapes(model, section, facts)
        check_outputs(tuple(model.output_shape), facts, section.hypermodel)
    if is_compiled(model):
        check_output_kind(model, section.output, section.hypermodel)
        # As for sweep's own models: XLA takes minutes to compile a deep network for a CPU, and "auto" turns it on.
        model.jit_compile = False
    _keep_transforms(model)
    check_parameters(model, section.max_parameters)
    return model


def _build_shapes(model: keras.Model, section: HypermodelConfig, facts: ImageFacts) -> None:
    """Create the weights of a model that has no Input layer, by building it."""
    if not model.built:
        call_user_code(model.build, section.hypermodel, {"input_shape": (None, *facts.shape)})


def _keep_transforms(model: keras.Model) -> None:
    """Make the layers of each RandAugment in a model now, so that its calls reuse them.

    KerasTuner's RandAugment makes new layers at each call. TensorFlow allows a traced function to make variables only
    in its first call, so under Keras 3 a model with `HyperImageAugment(augment_layers=...)` could not be trained unless
    all its factors are 0 (KerasTuner 1.4.8).
    """
    transforms = _AUGMENT_MODULE.TRANSFORMS
    for name, make in transforms.items():
        if not hasattr(make, "cache_info"):
            transforms[name] = functools.cache(make)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _keep_transforms(layer)
        elif isinstance(layer, _AUGMENT_MODULE.RandAugment):
            for name, factor in zip(layer.layers, layer.factors, strict=True):
                if factor != 0:
                    transforms[name](factor)


def build_hypermodel(section: HypermodelConfig, facts: ImageFacts) -> keras.Model:
    """Return the model of a section whose hyperparameters are known.

    Raises:
        ModelError, TrialFailure: see `build_from`.
    """
    chosen = ChosenHyperParameters(section.hyperparameters)
    model = build_from(make_hypermodel(section, facts), chosen, section, facts)
    _build_shapes(model, section, facts)
    return model


def deployable_hypermodel(model: keras.Model, section: HypermodelConfig, facts: ImageFacts) -> keras.Model:
    """Return the trained model with its pixel scaling, from raw pixels 0..255 to its outputs."""
    inputs = keras.Input(facts.shape, dtype="uint8", name="pixels")
    hidden = inputs
    for layer in pixel_scaling_layers(section.pixel_scaling, facts):
        hidden = layer(hidden)
    return keras.Model(inputs, model(hidden), name="hypermodel")


def label_kind(model: keras.Model, section: HypermodelConfig) -> str:
    """Return the kind of labels that the loss takes, `one_hot` or `integer`."""
    if section.labels != "auto":
        return section.labels
    return "integer" if wants_integers(model) else "one_hot"


def fit_takes(hypermodel: keras_tuner.HyperModel, keyword: str) -> bool:
    """True if a user's `fit` takes this keyword.

    `**kwargs` takes it too, unless `fit` passes it by name to an inner `fit`, which would then get it twice.
    """
    function = type(hypermodel).fit
    parameters = inspect.signature(function).parameters.values()
    if any(p.name == keyword and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) for p in parameters):
        return True
    rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, SyntaxError):  # there is no source, for example after exec
        return rest is not None
    calls = [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "fit"]
    passed = {argument.arg for call in calls for argument in call.keywords}
    return keyword not in passed and any(isinstance(node, ast.Name) and node.id == rest for node in nodes)


def run_user_fit(
    hypermodel: keras_tuner.HyperModel,
    hyperparameters: keras_tuner.HyperParameters,
    model: keras.Model,
    data: tuple[Any, Any, tuple[Any, Any]],
    keywords: Mapping[str, Any],
) -> None:
    """Call the user's `fit` as KerasTuner does, with those keywords that it takes.

    Args:
        hypermodel: a hypermodel with its own `fit`.
        hyperparameters: the trial's values.
        model: the model, built.
        data: images, labels, and (images, labels) of the validation set.
        keywords: `callbacks` and others; `fit` receives those that it takes.
    """
    images, labels, validation = data
    keywords = {**keywords, "validation_data": validation}
    given = {name: value for name, value in keywords.items() if fit_takes(hypermodel, name)}
    hypermodel.fit(hyperparameters, model, images, labels, **given)


def _explained(error: Exception, reference: str) -> ModelError:
    """Return the error to raise for an exception from `build`."""
    missing = missing_download(error)
    if missing is None:
        return ModelError(f"{reference}: build(hp) failed:\n{user_frames(error)}")
    path, origin = missing
    return ModelError(
        f"{reference} needs the weights file {path.name}, which is missing and cannot be fetched: put it at {path} "
        f"(it comes from {origin})"
    )
