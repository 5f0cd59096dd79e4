"""A study to look at: its trials, its best one, its figures, its report. Opens no database before it must."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.analysis.formatting import count, metric
from sweep.api.trials import Trial, Trials
from sweep.errors import NothingFinished
from sweep.records.home import Home
from sweep.records.study_records import find_record, ranked, read_records
from sweep.records.trial_record import TrialRecord
from sweep.reporting.notebook_tables import study_html

if TYPE_CHECKING:
    from sweep.api.figures import Figures


class Study:
    """A study that a run has made; of one that runs now, what it is at the moment of asking.

    Args:
        name: of the study.
        home: folder that holds `studies/`.

    Raises:
        StudyError: there is no such study.
    """

    def __init__(self, name: str, home: str | os.PathLike[str] = ".") -> None:
        self.name = name
        self.home = Path(home)
        self._records()  # to say at once if there is no such study

    @property
    def folder(self) -> Path:
        """`studies/NAME`."""
        return Home(self.home).study(self.name)

    @property
    def trials(self) -> Trials:
        """All trials by number. Read anew whenever asked for, so keep it in a variable for a loop.

        Raises:
            RecordError: a record cannot be read.
        """
        return Trials([Trial(record, self.folder) for record in self._records()])

    @property
    def best(self) -> Trial:
        """The complete trial with the best objective; of equals the one that was begun earlier.

        Raises:
            NothingFinished: no trial is complete.
        """
        best = ranked(self._records())
        if not best:
            raise NothingFinished(
                f"the study {self.name} has no finished trial yet, so there is no best one; choose one by its number"
            )
        return Trial(best[0], self.folder)

    def trial(self, number: int) -> Trial:
        """The trial with this number.

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
        """Write the report, one offline HTML page: who won, why, what next.

        Args:
            out: where to; `studies/NAME/report.html` and the study's run in MLflow by default.
            tracking_uri: MLflow store, as for `run`.

        Returns:
            Where it is.

        Raises:
            UserError: the page cannot be written.
            NothingFinished: the study has no trial yet.
        """
        from sweep.commands.report import write_page

        return write_page(Home(self.home), self.name, Path(out) if out is not None else None, tracking_uri)

    def _records(self) -> list[TrialRecord]:
        return read_records(self.folder)

    def __repr__(self) -> str:
        return f"<Study {self.name}: {_told(self._records())}>"

    def _repr_html_(self) -> str:
        records = self._records()
        return study_html(f"Study {self.name}: {_told(records)}", ranked(records))


def _told(records: list[TrialRecord]) -> str:
    counts = Counter(record.state for record in records)
    states = f" ({', '.join(f'{number} {state}' for state, number in sorted(counts.items()))})" if counts else ""
    best = next(iter(ranked(records)), None)
    won = f", best {best.config.objective} {metric(best.objective_value)} by trial {best.number}" if best else ""
    return f"{count(len(records), 'trial')}{states}{won}"
