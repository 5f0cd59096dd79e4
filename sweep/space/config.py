"""The resolved configuration of one trial: frozen, validated at construction, equal to its JSON.

One definition serves the space file, `--set`, the trial's record and the Python API: each field's annotation says
what a value may be, and the space reader derives from it which distributions a file may give.
Fields marked `NOT_SEARCHED` take one fixed value; `OnlyWhen` says where a value has any effect at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from pydantic import StringConstraints, TypeAdapter
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
    ModelConfig,
)
from sweep.space.user_model_configs import HypermodelConfig, UserBuilderConfig

Objective: TypeAlias = Literal["val_accuracy", "val_loss"]
Direction: TypeAlias = Literal["maximize", "minimize"]


@dataclass(frozen=True, config=STRICT)
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
        group_by: regular expression that is searched in each file's path below its class folder; images with the same
            first capture group (the whole match where there is none) never lie on both sides of a split. None: every
            image for itself.
        on_unreadable: what to do about files of a folder that cannot be decoded: `refuse` all, or `skip` them.
    """

    name: Annotated[str, StringConstraints(min_length=1), NOT_SEARCHED] = "cifar10"
    image_size: Annotated[Annotated[int, Ge(4), Le(MAX_IMAGE_SIZE)] | None, NOT_SEARCHED] = None
    channels: Annotated[Literal["grey", "rgb"] | None, NOT_SEARCHED] = None
    validation: Annotated[Share, NOT_SEARCHED] = 0.1
    test: Annotated[Share, NOT_SEARCHED] = 0.1
    limit: Annotated[PositiveInt | None, NOT_SEARCHED] = None
    split_seed: Annotated[Annotated[int, Ge(0), Lt(2**32)], NOT_SEARCHED] = 0
    group_by: Annotated[Annotated[str, StringConstraints(min_length=1)] | None, NOT_SEARCHED] = None
    on_unreadable: Annotated[Literal["refuse", "skip"], NOT_SEARCHED] = "refuse"


@dataclass(frozen=True, config=STRICT)
class PlateauConfig:
    """keras.callbacks.ReduceLROnPlateau."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    factor: Annotated[float, Gt(0), Lt(1)] = 0.5
    patience: Annotated[int, Ge(0)] = 3
    min_lr: Annotated[float, Ge(0)] = 0.0
    min_delta: Annotated[float, Ge(0)] = 1e-4
    cooldown: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, config=STRICT)
class EarlyStoppingConfig:
    """keras.callbacks.EarlyStopping."""

    monitor: Annotated[Literal["val_loss", "val_accuracy", "loss", "accuracy"], NOT_SEARCHED] = "val_loss"
    patience: Annotated[int, Ge(0)] = 10
    min_delta: Annotated[float, Ge(0)] = 0.0


@dataclass(frozen=True, config=STRICT)
class TrainingConfig:
    """Optimizer, batches and schedules. Learning rates are per step; `epochs` is the most that a trial trains.

    Attributes:
        class_weights: `balanced` weighs each training image by n / (classes * images of its class); the reported
            `loss` is the weighted one, accuracy and validation stay as they are.
        weight_decay: of AdamW, decoupled from the gradient (Loshchilov and Hutter 2017).
        clipnorm: each weight's gradient is scaled down to this norm; None leaves gradients as they are.
        precision: `mixed_float16` and `mixed_bfloat16` compute in 16 bits and keep the weights in 32; for float16 the
            loss is scaled. Faster on GPUs made for it, mostly slower on a CPU.
        schedule: of the learning rate. `cosine`: falls from `learning_rate` along half a cosine over all epochs
            (Loshchilov and Hutter 2016); `cyclic`: a triangle between the lowest rate and `learning_rate` (Smith 2015);
            both change it at every step. `constant` leaves it to ReduceLROnPlateau, which goes with no other.
        warmup_epochs: the schedule's rate is multiplied by a ramp from 0 to 1 in these (Goyal et al. 2017).
        lowest_rate: where the schedule ends or turns, as a share of `learning_rate`.
        cycle_epochs: from one lowest rate to the next.
        restart_every: after so many epochs training goes on from the best epoch's weights; None never.
    """

    epochs: Annotated[PositiveInt, NOT_SEARCHED] = 20
    batch_size: Annotated[int, Ge(1), Le(65536)] = 64
    optimizer: Literal["sgd", "adam", "nadam", "adamw"] = "adam"
    momentum: Annotated[Rate, OnlyWhen("optimizer", "sgd")] = 0.9
    weight_decay: Annotated[Annotated[float, Ge(0)], OnlyWhen("optimizer", "adamw")] = 4e-3
    learning_rate: Annotated[float, Gt(0)] = 1e-3
    clipnorm: Annotated[float, Gt(0)] | None = None
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    label_smoothing: Rate = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    schedule: Literal["constant", "cosine", "cyclic"] = "constant"
    warmup_epochs: Annotated[Annotated[int, Ge(0)], OnlyWhen("schedule", "cosine", "cyclic")] = 0
    lowest_rate: Annotated[Rate, OnlyWhen("schedule", "cosine", "cyclic")] = 0.0
    cycle_epochs: Annotated[Annotated[int, Ge(2)], OnlyWhen("schedule", "cyclic")] = 10
    restart_every: PositiveInt | None = None
    reduce_lr_on_plateau: PlateauConfig | None = None
    early_stopping: EarlyStoppingConfig | None = None

    def __post_init__(self) -> None:
        """Keras cannot set a rate that a schedule computes."""
        if self.schedule != "constant" and self.reduce_lr_on_plateau is not None:
            raise ValueError(f"reduce_lr_on_plateau goes with schedule constant, not with {self.schedule}")


@dataclass(frozen=True, config=STRICT)
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


@dataclass(frozen=True, config=STRICT)
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


@dataclass(frozen=True, config=STRICT)
class RetryPolicy:
    """Run a failed trial again, under its number.

    Attributes:
        retry: times in a row without a finished epoch between them; then it counts as the cause's own default does.
    """

    retry: Annotated[Annotated[int, Ge(1)], NOT_SEARCHED] = 1


FailurePolicy: TypeAlias = Literal["infeasible", "prune", "fail", "stop"] | RetryPolicy
"""`infeasible`: the sampler is told to keep away; `prune`: it counts as pruned where it stands; `fail`: it teaches
nothing; `stop`: the trial is given back and the sweep ends."""


@dataclass(frozen=True, config=STRICT)
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
    killed: Annotated[FailurePolicy, NOT_SEARCHED] = RetryPolicy(3)
    data: Annotated[FailurePolicy, NOT_SEARCHED] = "stop"
    bug: Annotated[FailurePolicy, NOT_SEARCHED] = "fail"


@dataclass(frozen=True, config=STRICT)
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


def direction_of(objective: Objective) -> Direction:
    """Accuracy is maximized, loss minimized."""
    return "maximize" if objective == "val_accuracy" else "minimize"


@dataclass(frozen=True, config=STRICT)
class TrialConfig:
    """All that decides a trial's bits on a given machine: nothing else is needed to run it again.

    Attributes:
        seed: of this trial; initial weights, data order, dropout and augmentation are derived from it.
        threads: intra-op threads of TensorFlow; another count gives other bits.
    """

    data: DataConfig
    model: ModelConfig | UserBuilderConfig | HypermodelConfig
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


def flatten(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one mapping with dotted keys; lists and empty mappings stay whole."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= flatten(value, f"{prefix}{key}.") if value and isinstance(value, Mapping) else {prefix + key: value}
    return flat


def config_from_mapping(mapping: dict[str, Any]) -> TrialConfig:
    """The configuration from JSON values.

    Raises:
        pydantic.ValidationError: an unknown key, a wrong type or a value out of its bounds.
    """
    # Through JSON text, because only there strict mode takes an array for a tuple.
    return _TRIAL_CONFIG.validate_json(json.dumps(mapping))
