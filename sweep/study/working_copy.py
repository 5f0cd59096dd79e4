"""The working copy of a study: Optuna reads from memory, and every change reaches the database in one transaction."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection
from typing_extensions import override

from sweep.errors import StudyError
from sweep.study.optuna_tables import read_trials, write_trials, write_value

MOST_SHOWN = 1000
"""The largest number of ended trials that a sampler learns from. TPE takes 1.3 s for a proposal from 10,000 trials, and
0.1 s from 1,000."""
_BEST_SHOWN = 25
"""TPE's largest number of good trials (`optuna.samplers._tpe.sampler.default_gamma`); all others are the bad ones."""


class WorkingCopy(InMemoryStorage):
    """A study's database in memory. Only one process writes to a study, so the copy is always up to date.

    A change of the copy is noted, and the next `commit` writes it to the database.

    Args:
        database: the study's database, which no other process may change.
        name: the study's name.
        check_folder: called before every write; raises an error if the study's folder was moved.
        is_drawn: False for a running trial that has only some of its values. The database has such trials if it was
            written by a version that stored each value separately. Their values are drawn again.
    """

    def __init__(
        self, database: RDBStorage, name: str, check_folder: Callable[[], None], is_drawn: Callable[[FrozenTrial], bool]
    ) -> None:
        super().__init__()
        self._database = database
        self.check_folder = check_folder
        self._database_study = database.get_study_id_from_name(name)
        self._database_trials: list[int] = []
        self._complete: list[FrozenTrial] = []
        self._shown: list[int] | None = None
        self.has_failed = False
        self._connection = database.engine.connect()
        self._changes: list[Callable[[], object]] = []
        self._load(name, is_drawn)
        # From now on, Optuna's storage works inside the transaction of `commit` instead of making one per call.
        database.scoped_session.remove()
        database.scoped_session.configure(bind=self._connection, join_transaction_mode="rollback_only")

    def _load(self, name: str, is_drawn: Callable[[FrozenTrial], bool]) -> None:
        stored = self._database_study
        study = self.create_new_study(self._database.get_study_directions(stored), name)
        for key, value in self._database.get_study_user_attrs(stored).items():
            self.set_study_user_attr(study, key, value)
        for key, value in self._database.get_study_system_attrs(stored).items():
            self.set_study_system_attr(study, key, value)
        undrawn: list[int] = []
        with self._connection.begin():
            for trial in read_trials(self._connection, stored):
                if trial.state == TrialState.RUNNING and not is_drawn(trial):
                    undrawn.append(trial._trial_id)
                    trial.params, trial.distributions = {}, {}
                self._database_trials.append(trial._trial_id)
                # Not `create_new_trial(study, trial)`, which takes 0.5 ms to copy the trial with its distributions.
                trial._trial_id = super().create_new_trial(study)
                self._set_trial(trial._trial_id, trial)
                self._add(trial._trial_id)
        self._changes.clear()  # nothing of this is new to the database, except the removal of values
        for trial_id in undrawn:
            remove = "DELETE FROM trial_params WHERE trial_id = ?"
            self._changes.append(functools.partial(self._connection.exec_driver_sql, remove, (trial_id,)))

    @contextmanager
    def commit(self) -> Iterator[Connection]:
        """Write the changes since the last commit, and what the block writes to the connection, in one transaction.

        If that fails, the copy is ahead of the database, and every further commit raises StudyError.
        """
        if self.has_failed:
            raise StudyError("the study's database has failed, so nothing more is written to it")
        self.has_failed = True
        self.check_folder()
        with self._connection.begin():
            yield self._connection
            for change in self._changes:
                change()
            new = super().get_all_trials(0, deepcopy=False)[len(self._database_trials) :]
            self._database_trials += write_trials(self._connection, self._database_study, new)
        self._changes.clear()
        self.has_failed = False

    def close(self) -> None:
        """Close the database."""
        self._connection.close()
        self._database.remove_session()
        self._database.engine.dispose()

    @contextmanager
    def fewer_trials(self) -> Iterator[None]:
        """Show Optuna at most `MOST_SHOWN` ended trials while the block runs: the best ones, and a regular sample.

        Studies of up to `MOST_SHOWN` trials are shown completely.
        """
        trials = super().get_all_trials(0, deepcopy=False)
        ended = [trial.number for trial in trials if trial.state.is_finished()]
        if len(ended) > MOST_SHOWN:
            sign = -1.0 if self.get_study_directions(0) == [StudyDirection.MAXIMIZE] else 1.0
            best = sorted(self._complete, key=lambda trial: sign * (trial.value or 0.0))[:_BEST_SHOWN]
            others = np.linspace(0, len(ended) - 1, MOST_SHOWN - len(best)).astype(int)
            hidden = set(ended) - {trial.number for trial in best} - {ended[index] for index in others}
            self._shown = [trial.number for trial in trials if trial.number not in hidden]
        try:
            yield
        finally:
            self._shown = None

    @override
    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if states == (TrialState.COMPLETE,) and not deepcopy and self._shown is None:
            return self._complete.copy()  # for pruners, which ask after every epoch
        if self._shown is None:
            return super().get_all_trials(study_id, deepcopy, states)
        trials = super().get_all_trials(study_id, deepcopy=False)
        shown = [*(trials[number] for number in self._shown), *trials[self._shown[-1] + 1 :]]  # with the newest trial
        found = [trial for trial in shown if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_user_attr(study_id, key, value)
        self._changes.append(lambda: self._database.set_study_user_attr(self._database_study, key, value))

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        super().set_study_system_attr(study_id, key, value)
        self._changes.append(lambda: self._database.set_study_system_attr(self._database_study, key, value))

    @override
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self._add(trial_id)
        return trial_id

    @override
    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
        self._note(self._database.set_trial_param, trial_id, param_name, param_value_internal, distribution)

    @override
    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        self._add(trial_id)
        self._note(self._database.set_trial_state_values, trial_id, state, values)
        return changed

    @override
    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        super().set_trial_intermediate_value(trial_id, step, intermediate_value)
        self._note(functools.partial(write_value, self._connection), trial_id, step, intermediate_value)

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_user_attr(trial_id, key, value)
        self._note(self._database.set_trial_user_attr, trial_id, key, value)

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        super().set_trial_system_attr(trial_id, key, value)
        self._note(self._database.set_trial_system_attr, trial_id, key, value)

    def _note(self, method: Callable[..., object], trial_id: int, *arguments: object) -> None:
        if trial_id < len(self._database_trials):  # `commit` writes a new trial as a whole
            self._changes.append(lambda: method(self._database_trials[trial_id], *arguments))

    def _add(self, trial_id: int) -> None:
        trial = self.get_trial(trial_id)
        if trial.state == TrialState.COMPLETE:
            self._complete.append(trial)
