"""A disk that is full, read-only or not writable: one clear line, the study intact, and it continues afterwards."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sweep.errors import DiskError, StudyError, TrialFailure
from sweep.execution.executor import Executor, Task
from sweep.execution.fork_server_executor import ForkServerExecutor
from sweep.execution.supervisor import Supervisor, TrialSetting
from sweep.records.atomic_writing import write_atomically
from sweep.records.disk import (
    RESERVE,
    Mount,
    database_disk_error,
    make_folder,
    needed_bytes,
    network_mount,
    trial_disk_error,
)
from sweep.records.study_lock import StudyLock
from sweep.records.study_records import read_records
from sweep.records.trial_record import TrialRecord, read_record
from sweep.records.trial_result import OnEpoch, TrialResult
from sweep.study.optuna_study import OptunaStudy
from tests.execution.tasks import train
from tests.fakes import PREPARED, STAMP, FakeTrain, InlineExecutor, SteppedExecutor, make_study
from tests.faults.conftest import fill

MakeDisk = Callable[[str], Path]
TRIALS = 4


def supervise(study: OptunaStudy, executor: Executor) -> bool:
    return Supervisor(study, executor, TrialSetting(PREPARED, STAMP, {}), []).run(TRIALS)


class Disturbed(FakeTrain):
    """Training that calls `happen` before the third epoch of trial 2."""

    def __init__(self, happen: Callable[[], object]) -> None:
        super().__init__()
        self._happen = happen

    def __call__(self, task: Task, on_epoch: OnEpoch) -> TrialResult:
        def watched(metrics: object) -> bool:
            if task.number == 2 and metrics.epoch == 3:  # type: ignore[attr-defined]
                self._happen()
            return on_epoch(metrics)  # type: ignore[arg-type]

        return super().__call__(task, watched)


def results(folder: Path) -> list[object]:
    return [(r.number, r.state, r.epochs, r.values, r.objective_value) for r in read_records(folder)]


def assert_intact(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def undisturbed(tmp_path: Path) -> list[object]:
    """The results of an undisturbed sweep."""
    supervise(make_study(tmp_path / "undisturbed" / "demo"), InlineExecutor(FakeTrain()))
    return results(tmp_path / "undisturbed" / "demo")


def test_a_disk_that_fills_up_stops_the_sweep_and_with_space_it_continues(
    make_disk: MakeDisk, undisturbed: list[object]
) -> None:
    disk = make_disk("size=8m")
    folder = disk / "studies" / "demo"
    study = make_study(folder)
    with pytest.raises(DiskError) as caught:
        supervise(study, InlineExecutor(Disturbed(lambda: fill(disk))))
    assert re.fullmatch(
        rf"{folder}/\S+: (No space left on device|database or disk is full|disk I/O error); "
        r"[\d,]+ bytes are free on its disk\. Free some space, then run the same command again to resume",
        str(caught.value),
    )
    (disk / "ballast").unlink()
    assert_intact(folder)
    assert [record.state for record in read_records(folder)][:2] == ["complete", "complete"]
    again = make_study(folder)
    assert again.interrupted_trials() == (2,)
    assert supervise(again, InlineExecutor(FakeTrain())) is True
    assert results(folder) == undisturbed


def test_on_a_full_disk_all_running_trials_are_interrupted_although_none_can_be_recorded(make_disk: MakeDisk) -> None:
    disk = make_disk("size=8m")
    changes: list[tuple[int, str]] = []

    def observe(record: TrialRecord, worker: int) -> None:  # noqa: ARG001 - an observer's signature
        changes.append((record.number, record.state))
        if len(record.epochs) == 2 and not (disk / "ballast").exists():
            fill(disk)

    study, executor = make_study(disk / "demo"), SteppedExecutor(workers=2)
    with pytest.raises(DiskError):
        Supervisor(study, executor, TrialSetting(PREPARED, STAMP, {}), [observe]).run(TRIALS)
    assert changes[-2:] == [(0, "interrupted"), (1, "interrupted")]
    assert executor.closed
    (disk / "ballast").unlink()
    assert make_study(disk / "demo").interrupted_trials() == (0, 1)


@pytest.mark.parametrize("leave", [0, 4096, 16384, 65536])
def test_with_any_space_left_the_study_stays_intact(make_disk: MakeDisk, undisturbed: list[object], leave: int) -> None:
    disk = make_disk("size=8m")
    folder = disk / "demo"
    with suppress(DiskError):  # the largest size is enough for four trials
        supervise(make_study(folder), InlineExecutor(Disturbed(lambda: fill(disk, leave))))
    (disk / "ballast").unlink()
    assert_intact(folder)
    supervise(make_study(folder), InlineExecutor(FakeTrain()))
    assert results(folder) == undisturbed


def test_without_write_permission_the_sweep_stops_and_with_it_continues(
    undisturbed: list[object], plain_user: Path
) -> None:
    folder = plain_user / "demo"

    def happen() -> None:
        (folder / "trials" / "0002").chmod(0o555)

    with pytest.raises(DiskError) as caught:
        supervise(make_study(folder), InlineExecutor(Disturbed(happen)))
    assert str(caught.value).startswith(f"{folder}/trials/0002: Permission denied; ")
    assert str(caught.value).endswith(
        "Give this user the permission to write there, then run the same command again to resume"
    )
    (folder / "trials" / "0002").chmod(0o755)
    supervise(make_study(folder), InlineExecutor(FakeTrain()))
    assert results(folder) == undisturbed


@pytest.mark.usefixtures("light_fork_server")
def test_a_child_that_cannot_even_write_its_log_is_not_a_failed_trial(make_disk: MakeDisk) -> None:
    disk = make_disk("size=8m")
    folder = disk / "demo"

    class FillsDisk(OptunaStudy):
        def save(self, record: TrialRecord) -> None:
            super().save(record)
            fill(disk, leave=0)

    study = make_study(folder)
    study.__class__ = FillsDisk
    executor = ForkServerExecutor([None], train, ["tests.execution.tasks"])
    with pytest.raises(DiskError, match="bytes are free on its disk"):
        supervise(study, executor)
    (disk / "ballast").unlink()
    assert make_study(folder).interrupted_trials() == (0,)
    assert supervise(make_study(folder), InlineExecutor(FakeTrain())) is True


@pytest.mark.parametrize(
    "message",
    [
        "OSError: [Errno 28] No space left on device: 'model.keras'",
        "ResourceExhaustedError: {{function_node x}} /x/part; No space left on device [Op:SaveV2]",
        "OSError: Can't write data (errno = 28, error message = 'No space left on device')",
        "OSError: [Errno 30] Read-only file system: 'log.txt'",
        "OSError: [Errno 122] Disk quota exceeded",
    ],
)
def test_a_failure_that_names_the_disk_is_a_disk_error(tmp_path: Path, message: str) -> None:
    assert trial_disk_error(tmp_path, f"Traceback\n{message}\n") is not None


def test_any_other_failure_is_not_a_disk_error(tmp_path: Path) -> None:
    assert trial_disk_error(tmp_path, "MemoryError") is None


def test_a_failure_because_of_a_full_disk_interrupts_the_trial(tmp_path: Path) -> None:
    study = make_study(tmp_path / "demo")
    failure = TrialFailure("oom", "ResourceExhaustedError: model.keras; No space left on device")
    with pytest.raises(DiskError):
        supervise(study, InlineExecutor(FakeTrain({0: failure})))
    assert read_record(tmp_path / "demo" / "trials" / "0000").state == "interrupted"


def test_a_sweep_does_not_start_without_enough_space(make_disk: MakeDisk) -> None:
    disk = make_disk("size=1m")
    with pytest.raises(DiskError) as caught:
        make_folder(disk / "demo", RESERVE)
    assert re.fullmatch(
        rf"{disk}/demo: 1,0\d\d,\d\d\d bytes are free on its disk, but a sweep needs 67,108,864 bytes for its files\. "
        r"Free some space, or put the studies elsewhere with --home DIR",
        str(caught.value),
    )
    make_folder(disk / "demo", 500_000)


def test_a_sweep_does_not_start_on_a_read_only_disk(make_disk: MakeDisk) -> None:
    disk = make_disk("size=1m,ro")
    with pytest.raises(DiskError, match=rf"^{disk}/demo: Read-only file system; .* Mount it for writing, then "):
        make_folder(disk / "demo", 0)


def test_a_sweep_does_not_start_where_this_user_may_not_write(plain_user: Path) -> None:
    (plain_user / "demo").mkdir(mode=0o555)
    with pytest.raises(DiskError, match=rf"^{plain_user}/demo: Permission denied; "):
        make_folder(plain_user / "demo", 0)
    with pytest.raises(DiskError, match=rf"^{plain_user}/demo/supervisor.lock: Permission denied; "):
        StudyLock(plain_user / "demo")


def test_large_models_need_more_space() -> None:
    assert needed_bytes(None, keep_models=3, workers=2) == 67_108_864
    assert needed_bytes(1_000_000, keep_models=3, workers=2) == 67_108_864 + 4_000_000 * (3 + 2 * 7)


def test_a_text_that_cannot_be_written_leaves_the_old_file(make_disk: MakeDisk) -> None:
    disk = make_disk("size=1m")
    write_atomically(disk / "space.yaml", "old")
    with pytest.raises(DiskError, match="No space left on device"):
        write_atomically(disk / "space.yaml", "new" * 1_000_000)
    assert (disk / "space.yaml").read_text() == "old"


def test_only_sqlite_messages_about_the_disk_are_disk_errors(tmp_path: Path) -> None:
    message = str(database_disk_error(tmp_path, "(sqlite3.OperationalError) database or disk is full"))
    assert message.startswith(f"{tmp_path}: (sqlite3.OperationalError) database or disk is full; ")
    assert database_disk_error(tmp_path, "attempt to write a readonly database") is not None
    assert database_disk_error(tmp_path, "file is not a database") is None


MOUNTS = [
    Mount("/", "ext4"),
    Mount("/home", "nfs4"),
    Mount("/home/me/local", "xfs"),
    Mount("/mnt/share", "cifs"),
    Mount("/mnt/s", "fuse.sshfs"),
    Mount("/srv", "ext4"),
    Mount("/srv", "nfs"),
]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/studies", "nfs4"),
        ("/home/me/local/studies", None),
        ("/home2/studies", None),
        ("/mnt/share/x", "cifs"),
        ("/mnt/s", "fuse.sshfs"),
        ("/srv/studies", "nfs"),
        ("/tmp", None),
    ],
)
def test_the_nearest_mount_decides_whether_a_folder_is_on_the_network(path: str, kind: str | None) -> None:
    found = network_mount(Path(path), MOUNTS)
    assert (found.kind if found else None) == kind


def test_a_network_file_system_is_refused_before_anything_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.records.disk.NETWORK", tuple(mount.kind for mount in _mounts()))
    with pytest.raises(StudyError, match=r"is on a network file system .* with --home DIR"):
        make_folder(tmp_path / "demo", 0)
    assert not (tmp_path / "demo").exists()


def _mounts() -> list[Mount]:
    import psutil

    return [Mount(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
