"""Hypermodels of KerasTuner: making them, building their models, and what their `fit` wants."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import keras
import keras_tuner

from sweep.data.keras_cache import keras_cache_dir
from sweep.errors import ModelError
from sweep.models.hyperparameters import ChosenHyperParameters
from sweep.models.losses import check_output_kind, wants_integers
from sweep.models.model_size import check_parameters
from sweep.models.pixel_scaling import pixel_scaling_layers
from sweep.models.rand_augment_repair import keep_transforms
from sweep.models.user_code import call_user_code, check_outputs, given_facts, is_compiled, load_user_code, user_frames
from sweep.records.image_facts import ImageFacts
from sweep.space.user_model_configs import HypermodelConfig

FIT_KEYWORDS = ("batch_size", "epochs", "verbose", "validation_batch_size")
"""What `fit` is given beside images, labels, validation data and callbacks, unless it says it itself."""


def make_hypermodel(section: HypermodelConfig, facts: ImageFacts) -> keras_tuner.HyperModel:
    """The hypermodel: an instance as it is; a class called with the facts that its constructor asks for; a function.

    Raises:
        ModelError: it cannot be imported, made, or is nothing of these.
    """
    found = load_user_code(section)
    if inspect.isclass(found) and issubclass(found, keras_tuner.HyperModel):
        asked = inspect.signature(found).parameters
        given = {name: value for name, value in given_facts(facts, seed=0).items() if name in asked and name != "seed"}
        found = call_user_code(found, section.hypermodel, given)
    if isinstance(found, keras_tuner.HyperModel):
        return found
    if inspect.isclass(found) or not callable(found):
        raise ModelError(
            f"{section.hypermodel} is a {type(found).__name__}; expected a keras_tuner.HyperModel, its class, or a "
            "function build(hp)"
        )
    return _Function(found)


class _Function(keras_tuner.HyperModel):
    """A hypermodel out of a function `build(hp)`."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.build = function


def has_user_fit(hypermodel: keras_tuner.HyperModel) -> bool:
    """Whether it overrides `fit`."""
    own: bool = type(hypermodel).fit is not keras_tuner.HyperModel.fit
    return own


def build_from(
    hypermodel: keras_tuner.HyperModel, hyperparameters: Any, section: HypermodelConfig, facts: ImageFacts
) -> keras.Model:
    """Build and check a model.

    Raises:
        ModelError: `build` fails, or gives no classifier of these images.
        TrialFailure: too_large.
    """
    hypermodel.declare_hyperparameters(hyperparameters)
    try:
        model = hypermodel.build(hyperparameters)
    except Exception as error:
        raise _explained(error, section.hypermodel) from error
    if not isinstance(model, keras.Model):
        raise ModelError(f"{section.hypermodel}: build(hp) must return a keras.Model, not {type(model).__name__}")
    if not model.built and not has_user_fit(hypermodel):
        # One without an Input layer; a `fit` of the user's may reshape the images before it is built.
        call_user_code(model.build, section.hypermodel, {"input_shape": (None, *facts.shape)})
    if model.built and not has_user_fit(hypermodel):
        check_outputs(tuple(model.output_shape), facts, section.hypermodel)
    if is_compiled(model):
        check_output_kind(model, section.output, section.hypermodel)
        # As of our own models: XLA takes minutes to compile a deep network for a CPU; "auto" turns it on.
        model.jit_compile = False
    keep_transforms(model)
    check_parameters(model, section.max_parameters)
    return model


def build_hypermodel(section: HypermodelConfig, facts: ImageFacts) -> keras.Model:
    """The model of a section whose hyperparameters are known.

    Raises:
        ModelError, TrialFailure: as `build_from`.
    """
    hyperparameters = ChosenHyperParameters(section.hyperparameters)
    model = build_from(make_hypermodel(section, facts), hyperparameters, section, facts)
    if not model.built:
        call_user_code(model.build, section.hypermodel, {"input_shape": (None, *facts.shape)})
    return model


def deployable_hypermodel(model: keras.Model, section: HypermodelConfig, facts: ImageFacts) -> keras.Model:
    """The trained model behind its pixel scaling: from raw pixels 0..255."""
    inputs = keras.Input(facts.shape, dtype="uint8", name="pixels")
    hidden = inputs
    for layer in pixel_scaling_layers(section.pixel_scaling, facts):
        hidden = layer(hidden)
    return keras.Model(inputs, model(hidden), name="hypermodel")


def label_kind(model: keras.Model, section: HypermodelConfig) -> str:
    """`one_hot` or `integer`: what the loss wants."""
    if section.labels != "auto":
        return section.labels
    return "integer" if wants_integers(model) else "one_hot"


@dataclass(frozen=True)
class FitSignature:
    """What a `fit` of the user's takes.

    Attributes:
        parameters: names in its signature.
        any_keyword: it has `**kwargs`, and does something with them.
        says: keywords that it passes on to another `fit` by itself.
    """

    parameters: tuple[str, ...]
    any_keyword: bool
    says: tuple[str, ...]

    def wants(self, name: str) -> bool:
        """Whether to give it this keyword."""
        if name in self.parameters:
            return True
        return self.any_keyword and name not in self.says


def fit_signature(hypermodel: keras_tuner.HyperModel) -> FitSignature:
    """Read from the function and its source: a keyword that it gives by itself must not be given twice."""
    function = type(hypermodel).fit
    parameters = inspect.signature(function).parameters.values()
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # made by exec, say
        return FitSignature(names, rest is not None, ())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    said = [word.arg for call in calls if call.func.attr == "fit" for word in call.keywords]  # type: ignore[attr-defined]
    used = any(isinstance(node, ast.Name) and node.id == rest for node in ast.walk(tree))
    return FitSignature(names, used, tuple(word for word in said if word))


def run_user_fit(
    hypermodel: keras_tuner.HyperModel,
    hyperparameters: Any,
    model: keras.Model,
    data: tuple[Any, Any, tuple[Any, Any]],
    keywords: Mapping[str, Any],
) -> Any:
    """Call the user's `fit` as KerasTuner does: images, labels, validation data, callbacks and the keywords it takes.

    Args:
        hypermodel: with a `fit` of its own.
        hyperparameters: of the trial.
        model: built.
        data: images, labels, and (images, labels) of the validation part.
        keywords: `callbacks`, and of `FIT_KEYWORDS`.
    """
    signature = fit_signature(hypermodel)
    given = {name: value for name, value in keywords.items() if signature.wants(name)}
    images, labels, validation = data
    if signature.wants("validation_data"):
        given["validation_data"] = validation
    return hypermodel.fit(hyperparameters, model, images, labels, **given)


def _explained(error: Exception, reference: str) -> ModelError:
    """What an exception out of `build` means to the user."""
    asked = asked_file(error.__traceback__)
    if asked is None:
        return ModelError(f"{reference}: build(hp) failed:\n{user_frames(error)}")
    path, origin = asked
    return ModelError(
        f"{reference} needs the weights file {path.name}, which is not there and cannot be fetched: put it at {path} "
        f"(it comes from {origin})"
    )


def asked_file(trace: TracebackType | None) -> tuple[Path, str] | None:
    """Where `keras.utils.get_file` wanted a file and where from, read from the call that failed."""
    while trace is not None:
        values = trace.tb_frame.f_locals
        if trace.tb_frame.f_code.co_name == "get_file" and values.get("origin"):
            name = values.get("fname") or str(values["origin"]).rsplit("/", 1)[-1]
            folder = keras_cache_dir(values.get("cache_dir"))
            return folder / str(values.get("cache_subdir", "models")) / str(name), str(values["origin"])
        trace = trace.tb_next
    return None
