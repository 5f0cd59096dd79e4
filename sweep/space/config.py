"""The resolved configuration of one trial: frozen, validated at construction, equal to its JSON.

One definition serves the space file, `--set`, the trial's record and the Python API: each field's annotation says
what a value may be, and the space reader derives from it which distributions a file may give.
Fields marked `NOT_SEARCHED` take one fixed value; `OnlyWhen` says where a value has any effect at all.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ConfigDict, StringConstraints, TypeAdapter
from pydantic.dataclasses import dataclass

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

Value: TypeAlias = bool | int | float | str | None
"""What a parameter of a space can be."""

Objective: TypeAlias = Literal["val_accuracy", "val_loss"]
Direction: TypeAlias = Literal["maximize", "minimize"]

MAX_IMAGE_SIZE = 1024
MAX_BLOCKS = 8


class NotSearched:
    """Marks a field that every trial of a study shares."""


NOT_SEARCHED = NotSearched()


class OnlyWhen:
    """Marks a field that takes effect only while another field of the same section has one of `values`."""

    def __init__(self, name: str, *values: Value) -> None:
        self.name = name
        self.values = values


class Like:
    """Marks text of a form that an example tells best."""

    def __init__(self, example: str) -> None:
        self.example = example


PositiveInt: TypeAlias = Annotated[int, Ge(1)]
Share: TypeAlias = Annotated[float, Gt(0), Lt(1)]
Rate: TypeAlias = Annotated[float, Ge(0), Lt(1)]
MemorySize: TypeAlias = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[KMGT]$"), Like("512M or 4G")
]
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


@dataclass(frozen=True, config=_STRICT)
class DataConfig:
    """Which images, how large, and how they are split.

    Attributes:
        name: a named set (digits, cifar10, cifar100, mnist, fashion_mnist), a directory of class
            folders, or an .npz file.
        image_size: height and width in pixels that every image is resized to; None keeps the size of the source, which
            must then be the same for all images.
        channels: `grey` (1) or `rgb` (3); None keeps the source's.
        validation: share of the training part held out for validation, stratified by class.
        test: share sealed as the test part where the source has none of its own, stratified by class.
        limit: number of images of the training part that are used at all (before the split), stratified by class.
        split_seed: seed of the test split, the subset and the validation split.
    """

    name: Annotated[str, StringConstraints(min_length=1), NOT_SEARCHED] = "cifar10"
    image_size: Annotated[Annotated[int, Ge(4), Le(MAX_IMAGE_SIZE)] | None, NOT_SEARCHED] = None
    channels: Annotated[Literal["grey", "rgb"] | None, NOT_SEARCHED] = None
    validation: Annotated[Share, NOT_SEARCHED] = 0.1
    test: Annotated[Share, NOT_SEARCHED] = 0.1
    limit: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    split_seed: Annotated[Annotated[int, Ge(0), Lt(2**32)], NOT_SEARCHED] = 0


@dataclass(frozen=True, config=_STRICT)
class DropoutConfig:
    """Dropout after every block and in the head.

    Attributes:
        schedule: `none`; `constant`: `start` everywhere; `increasing`: linear from `start` after the first block to
            `end` in the head; `listed`: `rates` after the blocks and nothing in the head unless `head` says so.
        head: rate in the head; None takes what the schedule gives.
    """

    schedule: Literal["none", "constant", "increasing", "listed"] = "none"
    start: Annotated[Rate, OnlyWhen("schedule", "constant", "increasing")] = 0.2
    end: Annotated[Rate, OnlyWhen("schedule", "increasing")] = 0.5
    rates: Annotated[tuple[Rate, ...], OnlyWhen("schedule", "listed")] = ()
    head: Rate | None = None


@dataclass(frozen=True, config=_STRICT)
class VggConfig:
    """A stack of VGG blocks: convolutions and a pooling, then a dense head.

    Attributes:
        filters: width of each block; as many as there are blocks, more are not used.
        batch_norm: BatchNormalization after every convolution.
        dense_batch_norm: the same after the dense layer; None follows `batch_norm`.
        dropout_position: where the head's dropout sits relative to the dense layer.
        l2: weight of the L2 penalty on every convolution and dense kernel (not on the output layer's bias); 0 is none.
        pixel_scaling: `unit` divides by 255; `centered` then subtracts the training images' mean per channel;
            `standardized` also divides by their standard deviation per channel.
        output: `softmax` probabilities, or `logits` with the loss computed from them (the same function in exact
            arithmetic).
        max_parameters: a larger model is infeasible.
    """

    builder: Annotated[Literal["vgg"], NOT_SEARCHED] = "vgg"
    blocks: Annotated[int, Ge(1), Le(MAX_BLOCKS)] = 3
    filters: tuple[Annotated[int, Ge(1), Le(4096)], ...] = (32, 64, 128)
    convolutions_per_block: Annotated[int, Ge(1), Le(8)] = 2
    kernel_size: Annotated[int, Ge(1), Le(11)] = 3
    padding: Literal["same", "valid"] = "same"
    activation: Literal["relu", "elu", "gelu", "leaky_relu", "selu", "silu", "tanh"] = "relu"
    kernel_initializer: Literal[
        "he_uniform", "he_normal", "glorot_uniform", "glorot_normal", "lecun_normal", "random_normal"
    ] = "he_uniform"
    batch_norm: bool = False
    dropout: DropoutConfig = field(default_factory=DropoutConfig)
    dropout_position: Literal["after_dense", "before_dense"] = "after_dense"
    l2: Annotated[float, Ge(0)] = 0.0
    dense_units: Annotated[int, Ge(1), Le(65536)] = 128
    dense_batch_norm: bool | None = None
    pixel_scaling: Literal["unit", "centered", "standardized"] = "unit"
    output: Literal["softmax", "logits"] = "softmax"
    max_parameters: Annotated[PositiveInt | None, NOT_SEARCHED] = None


@dataclass(frozen=True, config=_STRICT)
class PlateauConfig:
    """keras.callbacks.ReduceLROnPlateau."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    factor: Annotated[float, Gt(0), Lt(1)] = 0.5
    patience: Annotated[int, Ge(0)] = 3
    min_lr: Annotated[float, Ge(0)] = 0.0
    min_delta: Annotated[float, Ge(0)] = 1e-4
    cooldown: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, config=_STRICT)
class EarlyStoppingConfig:
    """keras.callbacks.EarlyStopping."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    patience: Annotated[int, Ge(0)] = 10
    min_delta: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, config=_STRICT)
class TrainingConfig:
    """Optimizer, batches and schedules. Learning rates are per step; `epochs` is the most that a trial trains."""

    epochs: Annotated[PositiveInt, NOT_SEARCHED] = 20
    batch_size: Annotated[int, Ge(1), Le(65536)] = 64
    optimizer: Literal["sgd", "adam", "nadam"] = "adam"
    momentum: Annotated[Rate, OnlyWhen("optimizer", "sgd")] = 0.9
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    label_smoothing: Rate = 0.0
    reduce_lr_on_plateau: PlateauConfig | None = None
    early_stopping: EarlyStoppingConfig | None = None


@dataclass(frozen=True, config=_STRICT)
class AugmentationConfig:
    """Random changes of the training images; each maximum below is scaled by `strength`.

    Attributes:
        strength: 0 is the identity, 1 the maxima as written.
        flip: mirrored with probability strength / 2 in each direction named.
        shift: largest shift as a share of height and of width.
        rotation: largest rotation in degrees, either way.
        zoom: largest zoom in or out as a share.
    """

    strength: Annotated[float, Ge(0), Le(1)] = 0.0  # a file that has the section without `strength` means 1
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    shift: Rate = 0.0
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    zoom: Rate = 0.0


@dataclass(frozen=True, config=_STRICT)
class PrunerConfig:
    """When a trial that is behind the others is stopped early.

    Attributes:
        name: `median`, `percentile`, `hyperband`, `asha` (asynchronous successive halving), `patient`, `none`.
        startup_trials: no pruning before so many trials have finished (median, percentile).
        warmup_epochs: no pruning within a trial's first so many epochs.
        percentile: share in % of the finished trials that a trial must reach (percentile); 25 keeps the best quarter.
        patience: epochs without improvement (patient).
        reduction_factor: of hyperband and asha.
        audit: share of the trials that would be pruned which run on, to find out what pruning costs.
        grace_after_drop: no pruning within so many epochs after the learning rate was reduced.
    """

    name: Annotated[Literal["median", "percentile", "hyperband", "asha", "patient", "none"], NOT_SEARCHED] = "median"
    startup_trials: Annotated[Annotated[int, Ge(0)], NOT_SEARCHED] = 5
    warmup_epochs: Annotated[Annotated[int, Ge(0)], NOT_SEARCHED] = 5
    percentile: Annotated[Annotated[float, Gt(0), Lt(100)], NOT_SEARCHED] = 50.0
    patience: Annotated[Annotated[int, Ge(1)], NOT_SEARCHED] = 5
    reduction_factor: Annotated[Annotated[int, Ge(2)], NOT_SEARCHED] = 3
    audit: Annotated[Annotated[float, Ge(0), Le(1)], NOT_SEARCHED] = 0.0
    grace_after_drop: Annotated[Annotated[int, Ge(0)], NOT_SEARCHED] = 0


@dataclass(frozen=True, config=_STRICT)
class RetryPolicy:
    """Run a failed trial again, under its number.

    Attributes:
        retry: times in a row without a finished epoch between them; then it counts as the cause's own default does.
    """

    retry: Annotated[Annotated[int, Ge(1)], NOT_SEARCHED] = 1


FailurePolicy: TypeAlias = Literal["infeasible", "prune", "fail", "stop"] | RetryPolicy
"""`infeasible`: the sampler is told to keep away; `prune`: it counts as pruned where it stands; `fail`: it teaches
nothing; `stop`: the trial is given back and the sweep ends."""


@dataclass(frozen=True, config=_STRICT)
class FailuresConfig:
    """What is done with a trial that fails, by its cause.

    Attributes:
        nan: the loss stopped being a finite number.
        oom: memory ran out, or the trial grew beyond `memory_limit`.
        too_large: more weights than `max_parameters`.
        infeasible: no such model can be built.
        timeout: no epoch within `watchdog` times the usual.
        killed: the trial's process was ended from outside, or crashed.
        data: the images could not be read.
        bug: the trial's code raised an exception; three equal ones in a row stop the sweep in any case.
    """

    nan: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    oom: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    too_large: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    infeasible: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    timeout: Annotated[FailurePolicy, NOT_SEARCHED] = "fail"
    killed: Annotated[FailurePolicy, NOT_SEARCHED] = RetryPolicy(1)
    data: Annotated[FailurePolicy, NOT_SEARCHED] = "stop"
    bug: Annotated[FailurePolicy, NOT_SEARCHED] = "fail"


@dataclass(frozen=True, config=_STRICT)
class SearchConfig:
    """How the space is searched.

    Attributes:
        objective: what the best epoch of a trial is measured by.
        direction: follows from the objective; when written it must agree with it.
        startup_trials: random points before the model-based sampler begins (tpe, gp, cmaes).
        trials: total of the study where the command line does not say.
        seed: of the study; every random choice is derived from it.
        keep_models: model files of so many best trials stay on disk.
        failures: what is done with a failed trial, by cause.
        watchdog: a trial without an epoch for so many times its usual epoch is ended; 0 ends none.
        memory_limit: a trial whose resident memory grows beyond it is ended, `4G`; TensorFlow itself takes 0.5G of it.
    """

    objective: Annotated[Objective, NOT_SEARCHED] = "val_accuracy"
    direction: Annotated[Direction | None, NOT_SEARCHED] = None
    sampler: Annotated[Literal["tpe", "random", "gp", "cmaes", "qmc", "grid"], NOT_SEARCHED] = "tpe"
    startup_trials: Annotated[Annotated[int, Ge(1)], NOT_SEARCHED] = 10
    pruner: PrunerConfig = field(default_factory=PrunerConfig)
    trials: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    seed: Annotated[Annotated[int, Ge(0), Lt(2**32)], NOT_SEARCHED] = 0
    keep_models: Annotated[Annotated[int, Ge(0)], NOT_SEARCHED] = 3
    failures: FailuresConfig = field(default_factory=FailuresConfig)
    watchdog: Annotated[Annotated[float, Ge(0)], NOT_SEARCHED] = 10.0
    memory_limit: Annotated[MemorySize | None, NOT_SEARCHED] = None


ModelConfig: TypeAlias = VggConfig
MODEL_SECTIONS: dict[str, type[Any]] = {"vgg": VggConfig}


def direction_of(objective: Objective) -> Direction:
    """Accuracy is maximized, loss minimized."""
    return "maximize" if objective == "val_accuracy" else "minimize"


@dataclass(frozen=True, config=_STRICT)
class TrialConfig:
    """All that decides a trial's bits on a given machine: nothing else is needed to run it again.

    Attributes:
        seed: of this trial; initial weights, data order, dropout and augmentation are derived from it.
        threads: intra-op threads of TensorFlow; another count gives other bits.
    """

    data: DataConfig
    model: ModelConfig
    training: TrainingConfig
    augmentation: AugmentationConfig
    objective: Objective
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    threads: PositiveInt = 1

    @property
    def direction(self) -> Direction:
        """Which way the objective is better."""
        return direction_of(self.objective)


_TRIAL_CONFIG = TypeAdapter(TrialConfig)


def config_to_mapping(config: TrialConfig) -> dict[str, Any]:
    """The configuration as JSON values (dicts, lists, scalars)."""
    mapping: dict[str, Any] = _TRIAL_CONFIG.dump_python(config, mode="json")
    return mapping


def config_from_mapping(mapping: dict[str, Any]) -> TrialConfig:
    """The configuration from JSON values.

    Raises:
        pydantic.ValidationError: an unknown key, a wrong type or a value out of its bounds.
    """
    # Through JSON text, because only there strict mode takes an array for a tuple.
    return _TRIAL_CONFIG.validate_json(json.dumps(mapping))
