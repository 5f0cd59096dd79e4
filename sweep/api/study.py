"""A study: its trials, best trial, figures and report. Only the figures and the report open its database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.analysis.formatting import count, metric
from sweep.analysis.trial_row import states_text
from sweep.api.trials import Trial, Trials
from sweep.errors import NothingFinished
from sweep.records.home import Home
from sweep.records.study_records import find_record, ranked, read_records, require_study
from sweep.records.trial_record import TrialRecord
from sweep.reporting.notebook_tables import study_html

if TYPE_CHECKING:
    from sweep.api.figures import Figures


class Study:
    """A study. While it runs, each property reads its current state.

    Args:
        name: name of the study.
        home: folder that holds `studies/`.

    Raises:
        StudyError: there is no such study.
    """

    def __init__(self, name: str, home: str | os.PathLike[str] = ".") -> None:
        self.name = name
        self.home = Path(home)
        require_study(self.folder)

    @property
    def folder(self) -> Path:
        """`studies/NAME`."""
        return Home(self.home).study(self.name)

    @property
    def trials(self) -> Trials:
        """All trials, by number. Each access reads all records, so assign the trials to a variable before a loop.

        Raises:
            RecordError: a record cannot be read.
        """
        return Trials([Trial(record, self.folder) for record in self._records()])

    @property
    def best(self) -> Trial:
        """The complete trial with the best objective; of equal trials, the earliest.

        Raises:
            NothingFinished: no trial is complete.
        """
        best = ranked(self._records())
        if not best:
            raise NothingFinished(
                f"the study {self.name} has no complete trial yet, so there is no best trial; use `trial(number)`"
            )
        return Trial(best[0], self.folder)

    def trial(self, number: int) -> Trial:
        """Return the trial with this number.

        Raises:
            StudyError: there is no such trial.
        """
        return Trial(find_record(self.folder, number), self.folder)

    @property
    def figures(self) -> Figures:
        """Charts of the trials as they are now (Plotly)."""
        from sweep.analysis.history import History
        from sweep.api.figures import Figures
        from sweep.study.open_study import stored_space

        return Figures(History(self.name, stored_space(self.folder), tuple(self._records())))

    def report(self, out: str | os.PathLike[str] | None = None, *, tracking_uri: str | None = None) -> Path:
        """Write the report, one offline HTML page: which trial won, why, and where to search next.

        Args:
            out: file to write. By default `studies/NAME/report.html`, and the study's run in MLflow.
            tracking_uri: MLflow store, as for `run`.

        Returns:
            The path of the page.

        Raises:
            UserError: the page cannot be written.
            NothingFinished: the study has no trial yet.
        """
        from sweep.commands.report import read_history, write_page

        home = Home(self.home)
        return write_page(home, read_history(home, self.name), Path(out) if out is not None else None, tracking_uri)

    def _records(self) -> list[TrialRecord]:
        return read_records(self.folder)

    def __repr__(self) -> str:
        return f"<Study {self.name}: {_summary(self._records())}>"

    def _repr_html_(self) -> str:
        records = self._records()
        return study_html(f"Study {self.name}: {_summary(records)}", ranked(records))


def _summary(records: list[TrialRecord]) -> str:
    states = f" ({states_text(records)})" if records else ""
    best = next(iter(ranked(records)), None)
    won = f", best {best.config.objective} {metric(best.objective_value)} by trial {best.number}" if best else ""
    return f"{count(len(records), 'trial')}{states}{won}"
