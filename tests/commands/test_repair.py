from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweep.commands.repair import repair_and_report
from sweep.errors import StudyError
from sweep.records.study_lock import StudyLock
from sweep.space.writer import space_to_yaml
from tests.fakes import make_space, make_study, record_for, run_trials, take

STARTS = "start_from: [{learning_rate: 0.5}, {learning_rate: 0.25}, {learning_rate: 0.125}]"


def study_without_a_database(home: Path, search: str = "sampler: random") -> Path:
    """Two complete trials, one that was interrupted and one whose record is lost; the database is removed."""
    space = make_space(search=search, more=STARTS)
    folder = home / "studies" / "demo"
    study = make_study(folder, space)
    (folder / "space.yaml").write_text(space_to_yaml(space))
    run_trials(study, 2)
    take(study)
    study.save(record_for(study, take(study), state="interrupted", reason="interrupted"))
    for name in ("study.db", "study.db-wal", "study.db-shm"):
        (folder / name).unlink(missing_ok=True)
    return folder


def test_repair_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study_without_a_database(tmp_path)
    repair_and_report(tmp_path, "demo", as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        f"{folder}/study.db is missing, but trials/ has records",
        "study demo: rebuilt the database from 3 records: 2 complete, 1 interrupted",
        "trial 2: there is no record and no copy of it, so the trial counts as failed but is not shown",
        "the next run first tries 1 start point",
    ]
    repair_and_report(tmp_path, "demo", as_json=False)
    assert capsys.readouterr().out == "study demo: database and records agree; the database was not changed\n"


def test_repair_says_where_the_old_database_is_and_what_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = study_without_a_database(tmp_path, "sampler: cmaes")
    (folder / "study.db").write_text("my notes")
    repair_and_report(tmp_path, "demo", as_json=False)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "renamed the old database: study.db.damaged; remove these files when the study works again",
        "the inner state of the sampler cmaes is lost: it now proposes other points than it would have proposed "
        "without the repair",
    ]


def test_repair_as_json_has_the_same_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = study_without_a_database(tmp_path)
    (folder / "study.db-wal").write_text("left")
    repair_and_report(tmp_path, "demo", as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "study": "demo",
        "fault": f"{folder} has study.db-wal, but no study.db",
        "states": {"complete": 2, "interrupted": 1},
        "lost": [2],
        "moved": ["study.db.damaged-wal"],
        "restored": [],
        "waiting": 1,
        "sampler": "random",
    }


def test_a_study_that_is_being_run_is_not_repaired(tmp_path: Path) -> None:
    folder = study_without_a_database(tmp_path)
    with StudyLock(folder), pytest.raises(StudyError, match=r"^the study demo is being run by process "):
        repair_and_report(tmp_path, "demo", as_json=False)
    assert not (folder / "study.db").exists()


def test_there_is_nothing_to_repair_in_a_missing_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"^there is no study demo in "):
        repair_and_report(tmp_path, "demo", as_json=False)
    assert list(tmp_path.iterdir()) == []
