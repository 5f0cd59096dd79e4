"""The configuration of one trial: immutable, validated when it is created, and the same after a round trip to JSON.

One definition serves the space file, `--set`, the trial record and the Python API: the annotation of a field defines
its valid values, and the space reader derives from the annotation which distributions a file may contain. Fields
marked `NOT_SEARCHED` have the same value in all trials; `OnlyWhen` says when a value has an effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field, StringConstraints, TypeAdapter
from pydantic.dataclasses import dataclass

from sweep.space.fields import (
    MAX_IMAGE_SIZE,
    NOT_SEARCHED,
    STRICT,
    MemorySize,
    OnlyWhen,
    PositiveInt,
    Rate,
    Share,
)
from sweep.space.model_sections import (
    HypermodelConfig,
    ModelConfig,
    UserBuilderConfig,
)

Objective: TypeAlias = Literal["val_accuracy", "val_loss"]
Direction: TypeAlias = Literal["maximize", "minimize"]


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """The images of a study: their source, their size, and how they are split.

    Attributes:
        name: a named set (digits, cifar10, cifar100, mnist, fashion_mnist), a directory of class
            folders, or an .npz file.
        image_size: height and width in pixels to which all images are resized; None keeps the original size, which
            must then be the same for all images.
        channels: `grey` (1) or `rgb` (3); None keeps the channels of the source.
        validation: share of the training images that becomes the validation set, stratified by class.
        test: share of the images that becomes the sealed test set if the source has no test set, stratified by class.
        limit: number of images to use for training and validation together, stratified by class; None uses all.
        split_seed: seed of the test split, the subset and the validation split.
        group_by: regular expression searched in each file's path below its class folder. Images with the same text in
            the first capture group (or the same match, without a group) stay in the same set. None: no grouping.
        on_unreadable: what to do if files cannot be decoded: `refuse` the whole folder, or `skip` these files.
    """

    name: Annotated[str, StringConstraints(min_length=1), NOT_SEARCHED] = "cifar10"
    image_size: Annotated[Annotated[int, Ge(4), Le(MAX_IMAGE_SIZE)] | None, NOT_SEARCHED] = None
    channels: Annotated[Literal["grey", "rgb"] | None, NOT_SEARCHED] = None
    validation: Annotated[Share, NOT_SEARCHED] = 0.1
    test: Annotated[Share, NOT_SEARCHED] = 0.1
    limit: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    split_seed: Annotated[int, Ge(0), Lt(2**32), NOT_SEARCHED] = 0
    group_by: Annotated[Annotated[str, StringConstraints(min_length=1)] | None, NOT_SEARCHED] = None
    on_unreadable: Annotated[Literal["refuse", "skip"], NOT_SEARCHED] = "refuse"


@dataclass(frozen=True, config=STRICT)
class PlateauConfig:
    """Settings of keras.callbacks.ReduceLROnPlateau."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    factor: Annotated[float, Gt(0), Lt(1)] = 0.5
    patience: Annotated[int, Ge(0)] = 3
    min_lr: Annotated[float, Ge(0)] = 0.0
    min_delta: Annotated[float, Ge(0)] = 1e-4
    cooldown: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, config=STRICT)
class EarlyStoppingConfig:
    """Settings of keras.callbacks.EarlyStopping."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    patience: Annotated[int, Ge(0)] = 10
    min_delta: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Optimizer, batches and schedules.

    Attributes:
        epochs: maximum number of epochs per trial.
        weight_decay: factor of AdamW's weight decay, which is decoupled from the gradient (Loshchilov and Hutter 2017).
        clipnorm: maximum norm of the gradient of each weight; larger gradients are scaled down. None: no limit.
        precision: `mixed_float16` and `mixed_bfloat16` compute in 16 bits and keep the weights in 32 bits; for
            float16, the loss is scaled. Both are faster on GPUs with 16-bit units, and usually slower on a CPU.
        class_weights: `balanced` weights each training image by images / (classes * images of its class). The reported
            `loss` is weighted; accuracy and validation metrics are not.
        schedule: how the learning rate changes. `cosine` falls from `learning_rate` along half a cosine over all epochs
            (Loshchilov and Hutter 2016); `cyclic` rises and falls linearly between the lowest rate and `learning_rate`
            (Smith 2015); both change the rate at every step. Only `constant` allows ReduceLROnPlateau.
        warmup_epochs: number of first epochs, in which a factor of the rate rises from 0 to 1 (Goyal et al. 2017).
        lowest_rate: lowest rate of the schedule, as a share of `learning_rate`.
        cycle_epochs: number of epochs from one lowest rate to the next.
        restart_every: number of epochs after which training continues from the weights of the best epoch; None: never.
    """

    epochs: Annotated[PositiveInt, NOT_SEARCHED] = 20
    batch_size: Annotated[int, Ge(1), Le(65536)] = 64
    optimizer: Literal["sgd", "adam", "nadam", "adamw"] = "adam"
    momentum: Annotated[Rate, OnlyWhen("optimizer", "sgd")] = 0.9
    weight_decay: Annotated[float, Ge(0), OnlyWhen("optimizer", "adamw")] = 4e-3
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    clipnorm: Annotated[float, Gt(0)] | None = None
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    label_smoothing: Rate = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    schedule: Literal["constant", "cosine", "cyclic"] = "constant"
    warmup_epochs: Annotated[int, Ge(0), OnlyWhen("schedule", "cosine", "cyclic")] = 0
    lowest_rate: Annotated[Rate, OnlyWhen("schedule", "cosine", "cyclic")] = 0.0
    cycle_epochs: Annotated[int, Ge(2), OnlyWhen("schedule", "cyclic")] = 10
    restart_every: PositiveInt | None = None
    reduce_lr_on_plateau: PlateauConfig | None = None
    early_stopping: EarlyStoppingConfig | None = None

    def __post_init__(self) -> None:
        """Refuse ReduceLROnPlateau with a schedule: Keras cannot set a rate that a schedule computes."""
        if self.schedule != "constant" and self.reduce_lr_on_plateau is not None:
            raise ValueError(f"`reduce_lr_on_plateau` needs `schedule: constant`, not {self.schedule}")


@dataclass(frozen=True, config=STRICT)
class AugmentationConfig:
    """Random changes of the training images; `strength` scales every maximum below.

    Attributes:
        strength: 0 changes nothing, 1 uses the full maxima.
        flip: directions in which an image is mirrored, each with probability strength / 2.
        shift: maximum shift, as a share of height and width.
        rotation: maximum rotation in degrees, in both directions.
        zoom: maximum zoom in or out, as a share.
    """

    strength: Annotated[float, Ge(0), Le(1)] = 0.0  # 1 if a file has the section without this key
    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    shift: Rate = 0.0
    rotation: Annotated[float, Ge(0), Le(180)] = 0.0
    zoom: Rate = 0.0


@dataclass(frozen=True, config=STRICT)
class PrunerConfig:
    """Rules for stopping a trial early because its epochs fall behind those of other trials.

    Attributes:
        name: `median`, `percentile`, `hyperband`, `asha` (asynchronous successive halving), `patient`, `none`.
        startup_trials: number of finished trials before pruning starts (median, percentile).
        warmup_epochs: number of epochs at the start of a trial without pruning.
        percentile: a trial is pruned unless it is among this best percentage of the finished trials (percentile).
        patience: number of epochs without improvement before a trial may be pruned (patient).
        reduction_factor: at each rung, 1 of `reduction_factor` trials continues (hyperband, asha).
        audit: share of the pruned trials that run to the end, to measure what pruning costs.
        grace_after_drop: number of epochs without pruning after the learning rate was reduced.
    """

    name: Annotated[Literal["median", "percentile", "hyperband", "asha", "patient", "none"], NOT_SEARCHED] = "median"
    startup_trials: Annotated[int, Ge(0), NOT_SEARCHED] = 5
    warmup_epochs: Annotated[int, Ge(0), NOT_SEARCHED] = 5
    percentile: Annotated[float, Gt(0), Lt(100), NOT_SEARCHED] = 50.0
    patience: Annotated[int, Ge(1), NOT_SEARCHED] = 5
    reduction_factor: Annotated[int, Ge(2), NOT_SEARCHED] = 3
    audit: Annotated[float, Ge(0), Le(1), NOT_SEARCHED] = 0.0
    grace_after_drop: Annotated[int, Ge(0), NOT_SEARCHED] = 0


@dataclass(frozen=True, config=STRICT)
class RetryPolicy:
    """Run a failed trial again, under the same number.

    Attributes:
        retry: maximum number of retries without a new finished epoch; then `infeasible` or `fail`, by the cause.
    """

    retry: Annotated[int, Ge(1), NOT_SEARCHED] = 1


FailurePolicy: TypeAlias = Literal["infeasible", "prune", "fail", "stop"] | RetryPolicy
"""`infeasible`: the sampler learns to avoid the point; `prune`: the trial counts as pruned at its last epoch; `fail`:
the sampler ignores the trial; `stop`: the sweep ends, and the next run resumes the trial."""


@dataclass(frozen=True, config=STRICT)
class FailuresConfig:
    """What happens to a failed trial, by the cause of its failure.

    Attributes:
        nan: the loss is not a finite number.
        oom: memory ran out, or the trial exceeded `memory_limit`.
        too_large: the model has more than `max_parameters` parameters.
        infeasible: the model cannot be built.
        timeout: no epoch finished within `watchdog` times the usual epoch time.
        killed: the trial's process crashed, or was killed from outside.
        data: the images could not be read.
        bug: the trial's code raised an exception; the same exception three times in a row always stops the sweep.
    """

    nan: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    oom: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    too_large: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    infeasible: Annotated[FailurePolicy, NOT_SEARCHED] = "infeasible"
    timeout: Annotated[FailurePolicy, NOT_SEARCHED] = "fail"
    killed: Annotated[FailurePolicy, NOT_SEARCHED] = RetryPolicy(3)
    data: Annotated[FailurePolicy, NOT_SEARCHED] = "stop"
    bug: Annotated[FailurePolicy, NOT_SEARCHED] = "fail"


@dataclass(frozen=True, config=STRICT)
class SearchConfig:
    """How the space is searched.

    Attributes:
        objective: the metric that selects the best epoch of a trial and the best trial.
        direction: `maximize` or `minimize`. The objective determines it, so a written value can only confirm it.
        startup_trials: number of random points before the model-based sampler starts (tpe, gp, cmaes).
        trials: total number of trials, unless set on the command line.
        seed: the seed of the study, from which all random choices are derived.
        keep_models: number of best trials whose model files stay on disk.
        failures: what happens to a failed trial, by cause.
        watchdog: a trial ends if no epoch finishes within this multiple of the usual epoch time; 0 switches this off.
        memory_limit: a trial ends if it uses more resident memory than this (`4G`); TensorFlow alone uses 0.5G.
    """

    objective: Annotated[Objective, NOT_SEARCHED] = "val_accuracy"
    direction: Annotated[Direction | None, NOT_SEARCHED] = None
    sampler: Annotated[Literal["tpe", "random", "gp", "cmaes", "qmc", "grid"], NOT_SEARCHED] = "tpe"
    startup_trials: Annotated[int, Ge(1), NOT_SEARCHED] = 10
    pruner: PrunerConfig = field(default_factory=PrunerConfig)
    trials: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    seed: Annotated[int, Ge(0), Lt(2**32), NOT_SEARCHED] = 0
    keep_models: Annotated[int, Ge(0), NOT_SEARCHED] = 3
    failures: FailuresConfig = field(default_factory=FailuresConfig)
    watchdog: Annotated[float, Ge(0), NOT_SEARCHED] = 10.0
    memory_limit: Annotated[MemorySize | None, NOT_SEARCHED] = None


def direction_of(objective: Objective) -> Direction:
    """Return `maximize` for an accuracy, `minimize` for a loss."""
    return "maximize" if objective == "val_accuracy" else "minimize"


@dataclass(frozen=True, config=STRICT)
class TrialConfig:
    """Everything that determines the result of a trial on a given machine, bit for bit.

    Attributes:
        seed: the seed of this trial, from which initial weights, data order, dropout and augmentation are derived.
        threads: number of TensorFlow's intra-op threads; another number changes the last bits of the result.
    """

    data: DataConfig
    # Each section accepts only its own builders, so the first that fits is the right one. By default, pydantic tries
    # all three, which takes most of the time of reading a record.
    model: Annotated[ModelConfig | UserBuilderConfig | HypermodelConfig, Field(union_mode="left_to_right")]
    training: TrainingConfig
    augmentation: AugmentationConfig
    objective: Objective
    seed: Annotated[int, Ge(0), Lt(2**63)] = 0
    threads: PositiveInt = 1

    @property
    def direction(self) -> Direction:
        """Direction in which the objective improves."""
        return direction_of(self.objective)


_TRIAL_CONFIG = TypeAdapter(TrialConfig)


def config_to_mapping(config: TrialConfig) -> dict[str, Any]:
    """Return the configuration as JSON values (dicts, lists, scalars)."""
    mapping: dict[str, Any] = _TRIAL_CONFIG.dump_python(config, mode="json")
    return mapping


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping with dotted keys; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= flatten(value, f"{prefix}{key}.") if value and isinstance(value, Mapping) else {prefix + key: value}
    return flat


def config_from_mapping(mapping: dict[str, Any]) -> TrialConfig:
    """Return the configuration that JSON values describe.

    Raises:
        pydantic.ValidationError: an unknown key, a wrong type or a value out of bounds.
    """
    # Through JSON text, because strict mode accepts a list for a tuple only in JSON.
    return _TRIAL_CONFIG.validate_json(json.dumps(mapping))
