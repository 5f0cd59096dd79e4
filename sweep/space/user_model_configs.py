"""The `model` section of a user's model: a builder function, or a KerasTuner hypermodel.

The section of a builder also has the parameters of its function as keys. A record contains the folder of the module and
the digest of its source, because only both together identify the code.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import StringConstraints, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from sweep.space.fields import NOT_SEARCHED, STRICT, Digest, PositiveInt, Value
from sweep.space.model_sections import Output

REFERENCE = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
"""`package.module:name`."""
Reference: TypeAlias = Annotated[str, StringConstraints(pattern=REFERENCE)]
Scaling: TypeAlias = Literal["raw", "unit", "centered", "standardized"]
"""The input of the network: `raw` pixels 0..255, or one of `PixelScaling`."""

GIVEN = ("input_shape", "classes", "num_classes", "seed", "inputs")
"""Arguments that sweep passes to a builder that takes them: (height, width, channels); the number of classes (twice);
an integer derived from the trial's seed; a Keras tensor of scaled and augmented pixels."""


@dataclass(frozen=True, config=STRICT)
class UserBuilderConfig:
    """A user's builder function.

    Attributes:
        builder: `package.module:function`; a module in the folder of the space file goes before an installed one.
        arguments: for the parameters of the function; in JSON and YAML they are keys of the section itself.
        pixel_scaling: the input of the network, see `Scaling`.
        output: the output of the network, see `Output`.
        max_parameters: maximum number of parameters; a larger model is infeasible.
        folder: of the module; None if it is installed.
        source_digest: SHA-256 of the module's file.
    """

    builder: Annotated[Reference, NOT_SEARCHED]
    arguments: Mapping[str, Value] = field(default_factory=dict)
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Output, NOT_SEARCHED] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    folder: Annotated[str | None, NOT_SEARCHED] = None
    source_digest: Annotated[Digest | None, NOT_SEARCHED] = None

    @property
    def reference(self) -> str:
        """`package.module:function`."""
        return self.builder

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, given: Any) -> Any:
        """Collect the keys that are parameters of the function in `arguments`."""
        if not isinstance(given, dict):
            return given
        known = {item.name for item in dataclasses.fields(cls)} - {"arguments"}
        arguments = {key: value for key, value in given.items() if key not in known}
        return {**{key: value for key, value in given.items() if key in known}, "arguments": arguments}

    @model_serializer(mode="wrap")
    def _spread(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = write(self)
        arguments = written.pop("arguments")
        return {**written, **arguments}


@dataclass(frozen=True, config=STRICT)
class HypermodelConfig:
    """A KerasTuner hypermodel: a `HyperModel` class or instance, or a function `build(hp)`.

    Attributes:
        hypermodel: `package.module:name`; a module in the folder of the space file goes before an installed one.
        hyperparameters: by name; those that the file does not set are found by building the hypermodel.
        labels: labels that the loss expects; `auto` follows the compiled loss, one-hot if there is none.
        pixel_scaling, output, max_parameters, folder, source_digest: see `UserBuilderConfig`.
    """

    hypermodel: Annotated[Reference, NOT_SEARCHED]
    builder: Annotated[Literal["keras_tuner"], NOT_SEARCHED] = "keras_tuner"
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    labels: Annotated[Literal["auto", "one_hot", "integer"], NOT_SEARCHED] = "auto"
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Output, NOT_SEARCHED] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    folder: Annotated[str | None, NOT_SEARCHED] = None
    source_digest: Annotated[Digest | None, NOT_SEARCHED] = None

    @property
    def reference(self) -> str:
        """`package.module:name`."""
        return self.hypermodel


UserModelConfig: TypeAlias = UserBuilderConfig | HypermodelConfig

HYPERPARAMETERS = ("model", "hyperparameters")
"""Path of a hypermodel's values in the configuration; the last key is the name in KerasTuner."""
