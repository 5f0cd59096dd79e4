"""`sweep sync`: create or complete the MLflow runs of a study from its folder."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.analysis.formatting import count
from sweep.errors import StudyError
from sweep.records.home import Home
from sweep.records.study_id import study_id
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import read_records
from sweep.records.trial_record import as_interrupted
from sweep.space.reader import read_space
from sweep.terminal.console import make_console, reading_bar
from sweep.tracking.open_mlflow import sync_study
from sweep.tracking.store_address import resolve_address
from sweep.tracking.tracker import StudyInfo

SPACE_FILE = "space.yaml"


def sync_with_mlflow(root: Path, study: str, uri: str | None, as_json: bool) -> None:
    """Run the command.

    Raises:
        UserError: there is no such study, or the store is unreachable or refuses a request.
    """
    home = Home(root)
    console = make_console(as_json=as_json)
    folder = home.study(study)
    read_records(folder)  # raises if there is no such study, before a lock or a store is made
    store = resolve_address(uri, os.environ, root).shown
    started = time.perf_counter()
    with _lock_unless_running(folder) as lock, reading_bar(console, "writing runs") as advance:
        records = read_records(folder)
        shown = [as_interrupted(record) for record in records] if lock else records
        space = folder / SPACE_FILE
        objective = records[0].config.objective if records else read_space(space).search.objective
        text = space.read_text(encoding="utf-8") if space.is_file() else ""
        if lock:
            lock.check()  # `study_id` may write the id
        info = StudyInfo(study, study_id(folder), text, objective, folder, home.cache)
        report = sync_study(info, shown, uri, root, advance)
    seconds = time.perf_counter() - started
    if as_json:
        print(json.dumps({"study": study, "store": store, **dataclasses.asdict(report), "seconds": round(seconds, 1)}))
    console.print(
        f"study {study} in {store}: {count(len(report.created), 'run')} created, {len(report.updated)} updated, "
        f"{len(report.unchanged)} unchanged, {seconds:.1f} s"
    )


@contextmanager
def _lock_unless_running(folder: Path) -> Iterator[StudyLock | None]:
    """Yield None if a sweep already runs; otherwise yield the study's lock, so that no sweep starts in the meantime.

    Raises:
        StudyError: the study's folder was moved, removed or replaced during the block.
    """
    try:
        lock = StudyLock(folder)
    except StudyError:
        yield None
        return
    with lock:
        yield lock
        lock.check()
