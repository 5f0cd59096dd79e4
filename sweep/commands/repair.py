"""`sweep repair`: rebuild the database of a study from its records, and say what was done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

from sweep.analysis.formatting import count
from sweep.errors import StudyError
from sweep.records.home import Home
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import no_study
from sweep.study.repair_study import Repair, repair_study
from sweep.terminal.console import make_console


def repair_and_report(root: Path, study: str, as_json: bool) -> None:
    """Run the command.

    Raises:
        StudyError: there is no such study, it is being run, or there is nothing to rebuild its database from.
        DiskError: a file cannot be moved or written.
    """
    folder = Home(root).study(study)
    if not folder.is_dir():
        raise StudyError(no_study(folder))
    with StudyLock(folder) as lock:
        done = repair_study(folder, lock.check)
    if as_json:
        print(json.dumps({"study": study, **dataclasses.asdict(done)}))
    console = make_console(as_json=as_json)
    for sentence in _sentences(study, done):
        console.print(sentence)


def _sentences(study: str, done: Repair) -> Iterator[str]:
    """Yield what was done, in the order in which it was done."""
    if done.fault is None:
        yield f"study {study}: database and records agree; the database was not changed"
    else:
        yield done.fault
        states = ", ".join(f"{number} {state}" for state, number in done.states.items())
        yield f"study {study}: rebuilt the database from {count(sum(done.states.values()), 'record')}: {states}"
    yield from done.restored
    for number in done.lost:
        yield f"trial {number}: there is no record and no copy of it, so the trial counts as failed but is not shown"
    if done.waiting:
        yield f"the next run first tries {count(done.waiting, 'start point')}"
    if done.moved:
        yield f"renamed the old database: {', '.join(done.moved)}; remove these files when the study works again"
    if done.sampler in ("cmaes", "qmc"):
        yield (
            f"the inner state of the sampler {done.sampler} is lost: it now proposes other points than it would have "
            "proposed without the repair"
        )
