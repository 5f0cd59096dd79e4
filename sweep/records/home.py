"""The home folder, by default the current one: everything that sweep writes is below it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sweep.errors import StudyError
from sweep.space.fields import check_study_name


@dataclass(frozen=True)
class Home:
    """The folder that holds `studies/`, `mlflow/` and `cache/`."""

    root: Path

    @property
    def studies(self) -> Path:
        """The folder with one folder per study."""
        return self.root / "studies"

    @property
    def cache(self) -> Path:
        """The folder of the prepared images; it is safe to delete."""
        return self.root / "cache"

    def study(self, name: str) -> Path:
        """The folder of a study; raises StudyError for a name that is not allowed."""
        wrong = check_study_name(name)
        if wrong:
            raise StudyError(wrong)
        return self.studies / name
