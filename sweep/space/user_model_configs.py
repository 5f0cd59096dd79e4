"""The `model` section of models that the user brings along: a builder function, or a KerasTuner hypermodel.

A builder's section has the keys of `UserBuilderConfig` and, beside them, the function's own parameters. The record
keeps the folder in which the module was found and the digest of its source, because only both together say which code
ran.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import StringConstraints, model_serializer, model_validator
from pydantic.dataclasses import dataclass

from sweep.space.fields import NOT_SEARCHED, STRICT, PositiveInt, Value

Reference: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$")
]
"""`package.module:name`."""
Scaling: TypeAlias = Literal["raw", "unit", "centered", "standardized"]
"""What the network is fed with: `raw` 0..255, or as of the other builders."""
Digest: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

GIVEN = ("input_shape", "classes", "num_classes", "seed", "inputs")
"""Parameters that a builder gets from sweep if it takes them: (height, width, channels); the number of classes (twice);
an integer that follows from the trial's seed; a Keras tensor of scaled and augmented pixels."""


@dataclass(frozen=True, config=STRICT)
class UserBuilderConfig:
    """A builder function of the user's.

    Attributes:
        builder: `package.module:function`; the module is looked for beside the space file first.
        arguments: for the function's parameters, written beside the other keys.
        pixel_scaling: what the network is fed with: `raw` pixels 0..255 unless said otherwise.
        output: what the network gives, see `Output`.
        max_parameters: a larger model is infeasible.
        folder: in which the module was found; None where it is installed.
        source_digest: sha256 of the module's file.
    """

    builder: Annotated[Reference, NOT_SEARCHED]
    arguments: Mapping[str, Value] = field(default_factory=dict)
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Literal["softmax", "logits"], NOT_SEARCHED] = "softmax"
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
        """The function's own parameters, which stand beside the other keys, as `arguments`."""
        if not isinstance(given, dict):
            return given
        own = {item.name for item in dataclasses.fields(cls)} - {"arguments"}
        arguments = {key: value for key, value in given.items() if key not in own}
        return {**{key: value for key, value in given.items() if key in own}, "arguments": arguments}

    @model_serializer(mode="wrap")
    def _spread(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = write(self)
        arguments = written.pop("arguments")
        return {**written, **arguments}


@dataclass(frozen=True, config=STRICT)
class HypermodelConfig:
    """A KerasTuner hypermodel: a `HyperModel` class or instance, or a function `build(hp)`.

    Attributes:
        hypermodel: `package.module:name`; the module is looked for beside the space file first.
        hyperparameters: by name; what the file does not say is found by building the hypermodel.
        labels: what the loss wants; `auto` asks the compiled loss and takes one-hot labels where there is none.
        pixel_scaling, output, max_parameters, folder, source_digest: as of `UserBuilderConfig`.
    """

    hypermodel: Annotated[Reference, NOT_SEARCHED]
    builder: Annotated[Literal["keras_tuner"], NOT_SEARCHED] = "keras_tuner"
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    labels: Annotated[Literal["auto", "one_hot", "integer"], NOT_SEARCHED] = "auto"
    pixel_scaling: Annotated[Scaling, NOT_SEARCHED] = "raw"
    output: Annotated[Literal["softmax", "logits"], NOT_SEARCHED] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    folder: Annotated[str | None, NOT_SEARCHED] = None
    source_digest: Annotated[Digest | None, NOT_SEARCHED] = None

    @property
    def reference(self) -> str:
        """`package.module:name`."""
        return self.hypermodel


UserModelConfig: TypeAlias = UserBuilderConfig | HypermodelConfig

HYPERPARAMETERS = ("model", "hyperparameters")
"""Where a hypermodel's values sit in the configuration; the rest of the path is the name in KerasTuner."""
