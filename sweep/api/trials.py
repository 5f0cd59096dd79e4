"""The trials of a study, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from sweep.analysis.trial_row import result_text, trial_row
from sweep.errors import StudyError
from sweep.records.environment import set_flags
from sweep.records.trial_record import TrialRecord, TrialState, trial_folder
from sweep.records.trial_result import EpochMetrics
from sweep.reporting.notebook_tables import trial_html, trials_html
from sweep.space.config import TrialConfig
from sweep.space.fields import Value

if TYPE_CHECKING:
    import keras
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Trial:
    """One trial, with the contents of its record at the time of reading.

    Attributes:
        record: the trial record.
        study_folder: `studies/NAME`.
    """

    record: TrialRecord
    study_folder: Path

    @property
    def number(self) -> int:
        """Number of the trial, from 0; trials are numbered in the order in which they start."""
        return self.record.number

    @property
    def state(self) -> TrialState:
        """`complete`, `pruned`, `failed`, `running` or `interrupted`."""
        return self.record.state

    @property
    def reason(self) -> str:
        """Why the trial ended: `all epochs`, `pruned at epoch 8 (median)`, the cause of a failure; "" while it runs."""
        return self.record.reason

    @property
    def value(self) -> float | None:
        """The objective of the best epoch; None before the first epoch and for failed trials."""
        return self.record.objective_value

    @property
    def values(self) -> Mapping[str, Value]:
        """The sampled values by parameter name, without conditional parameters that did not apply."""
        return dict(self.record.values)

    @property
    def config(self) -> TrialConfig:
        """Everything that determines the result, including fixed values."""
        return self.record.config

    @property
    def epochs(self) -> tuple[EpochMetrics, ...]:
        """The finished epochs, in order: losses, accuracies (0 to 1), learning rate, seconds."""
        return self.record.epochs

    @property
    def best_epoch(self) -> int | None:
        """Number of the epoch with the best objective, from 1."""
        return self.record.best_epoch

    @property
    def folder(self) -> Path:
        """The folder of its files: `trial.json`, `log.txt` and others."""
        return trial_folder(self.study_folder, self.number)

    @property
    def home(self) -> Path:
        """The folder that holds `studies/`."""
        return self.study_folder.parent.parent

    def model(self) -> keras.Model:
        """Load the model of the best epoch.

        The model takes unscaled uint8 images (n, height, width, channels) and returns (n, classes). It has no
        augmentation and is not compiled. The names of the classes are in `record.data.classes`, in order.

        Raises:
            StudyError: the model file was not kept.
            ModelFileError: the file is damaged, or has contents that models of sweep never have.
        """
        path = self.folder / (self.record.model_file or "")
        if not self.record.model_file or not path.is_file():
            raise StudyError(self._no_model())
        set_flags()
        from sweep.inference.prediction import load_model

        return load_model(path)

    def _no_model(self) -> str:
        head = f"the model of trial {self.number} of the study {self.record.study} is not kept"
        if self.state == "complete":
            again = f'sweep.reproduce(trial, folder="trial-{self.number}").model_file'
            return f"{head}: only the best models are (search.keep_models); {again} trains it again"
        return f"{head}: the trial is {self.state}, and only complete trials keep one"

    def __repr__(self) -> str:
        return f"<Trial {self.number} of {self.record.study}: {self._summary()}>"

    def _summary(self) -> str:
        if self.value is None:
            return f"{self.state} ({self.reason})" if self.reason else self.state
        return f"{self.state}, {result_text(self.record)}"

    def _repr_html_(self) -> str:
        return trial_html(self.record)


class Trials(Sequence[Trial]):
    """A sequence of trials; those of a study are ordered by number."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._trials = tuple(trials)

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> Trials: ...

    def __getitem__(self, index: int | slice) -> Trial | Trials:
        """Return the trial at a position, or the `Trials` of a slice."""
        return Trials(self._trials[index]) if isinstance(index, slice) else self._trials[index]

    def __len__(self) -> int:
        return len(self._trials)

    def to_dataframe(self) -> pd.DataFrame:
        """Return a row per trial, with its number as the index.

        The columns are state, reason, the objective (NaN if there is none), best_epoch, epochs (finished), parameters
        (the number of the model's weights), seconds (wall time), and the sampled values, NaN where they did not apply.
        The values of a parameter that has the name of another column are in `values.NAME`.
        """
        import pandas as pd

        rows = [_columns(trial.record) for trial in self]
        frame = pd.DataFrame(rows, index=pd.Index([trial.number for trial in self], name="trial"))
        # Where values are missing, pandas would turn 64 into 64.0.
        return frame.astype({name: "Int64" for name in frame if _is_whole([found.get(name) for found in rows])})

    def __repr__(self) -> str:
        return f"<{len(self)} trials>" if len(self) > 8 else f"[{', '.join(map(repr, self))}]"

    def _repr_html_(self) -> str:
        return trials_html([trial.record for trial in self])


def _columns(record: TrialRecord) -> dict[str, Any]:
    facts = trial_row(record).columns(record.config.objective)
    return facts | {name if name not in facts else f"values.{name}": value for name, value in record.values.items()}


def _is_whole(values: Sequence[object]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(isinstance(value, int) and not isinstance(value, bool) for value in given)
