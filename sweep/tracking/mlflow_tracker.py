"""Writes records to a store in batches, in a background thread; errors of the store do not stop the sweep."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from sweep.records.trial_record import TrialRecord
from sweep.tracking.run_entry import RunStatus
from sweep.tracking.store_address import hide_passwords
from sweep.tracking.study_entry import CLOSED
from sweep.tracking.tracker import CloseState

_log = logging.getLogger("sweep.tracking")

CLOSING_ATTEMPTS = 3
"""Maximum number of attempts to write after `close`; if all of them fail, the tracker gives up."""


class Store(Protocol):
    """What the tracker needs from a store; see `MlflowStudy`. Any call may raise, and any call may be repeated."""

    def sync_trial(self, record: TrialRecord) -> object:
        """Update the trial's run from its record."""

    def sync_study(self, status: RunStatus, ended: int | None) -> object:
        """Update the study's own run from the trials written so far."""

    def sync_models(self) -> object:
        """Log the models that the study keeps."""


class MlflowTracker:
    """A `Tracker` that writes into a store from one daemon thread.

    Only the newest record of each trial waits, so while the store is unreachable at most one record per trial is kept
    in memory. A failed batch is repeated after `pause` seconds; each further failure doubles this pause.

    Args:
        connect: a function that opens the store; called in the thread, and called again if it fails.
        interval: minimum seconds between two batches, so that several short epochs are written together.
        pause: seconds to wait after the first failed batch.
        longest_pause: maximum seconds to wait after a failed batch.

    Attributes:
        error: the newest error of the store; None if there was no error. The first error is logged as a warning.
    """

    def __init__(
        self,
        connect: Callable[[], Store],
        *,
        interval: float = 1.0,
        pause: float = 1.0,
        longest_pause: float = 60.0,
    ) -> None:
        self.error: Exception | None = None
        self._connect = connect
        self._interval, self._pause, self._longest_pause = interval, pause, longest_pause
        self._store: Store | None = None
        self._waiting: dict[int, TrialRecord] = {}
        self._closing: CloseState | None = None
        self._complete = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="sweep-tracking", daemon=True)
        self._thread.start()

    def update(self, record: TrialRecord) -> None:
        """Keep the record for the next batch; it replaces an older record of the same trial."""
        with self._changed:
            if self._closing is None:
                self._waiting[record.number] = record
                self._changed.notify()

    def close(self, state: CloseState, timeout: float) -> bool:
        """Write the waiting records and end the study's run; see `Tracker.close`. A second call waits again."""
        with self._changed:
            self._closing = self._closing or state
            self._changed.notify()
        self._thread.join(timeout)
        return self._complete

    @property
    def is_writing(self) -> bool:
        """See `Tracker.is_writing`."""
        return self._thread.is_alive()

    def _work(self) -> None:
        failures = 0
        while (closing := self._await_work(failures)) is None:
            failures = 0 if self._write_batch(None) else failures + 1
        for failures in range(CLOSING_ATTEMPTS):
            if failures:
                time.sleep(self._pause_after(failures))
            if self._write_batch(closing):
                self._complete = True
                return

    def _pause_after(self, failures: int) -> float:
        """Return the seconds to wait before the next batch, after this number of failures in succession."""
        doubled = self._pause * 2.0 ** min(failures - 1, 30)
        return min(doubled, self._longest_pause) if failures else self._interval

    def _await_work(self, failures: int) -> CloseState | None:
        """Wait for the end of the pause, then for a record; `close` ends both waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing is not None, self._pause_after(failures))
            self._changed.wait_for(lambda: self._closing is not None or bool(self._waiting))
            return self._closing

    def _write_batch(self, closing: CloseState | None) -> bool:
        """Try to write each waiting record: a record that cannot be written must not hold up the others."""
        if self._store is None:
            self._try(self._open_store)
        store = self._store
        if store is None:
            return False
        with self._changed:
            batch, self._waiting = self._waiting, {}
        failed = {n: record for n, record in batch.items() if not self._try(partial(store.sync_trial, record))}
        with self._changed:
            # Records that arrived in the meantime are newer: they replace the unwritten records of the same trials.
            self._waiting = failed | self._waiting
        return self._try(partial(_sync_study, store, closing)) and not failed

    def _open_store(self) -> None:
        self._store = self._connect()

    def _try(self, step: Callable[[], object]) -> bool:
        try:
            step()
        except Exception as error:
            # All errors are caught: the study continues, and the mirror can be rebuilt from the records.
            if self.error is None:
                _log.warning(
                    "The tracking store does not accept the trials at the moment; the sweep continues and sends them "
                    "again later. The study's own records are complete. Cause: %s: %s",
                    type(error).__name__,
                    hide_passwords(str(error)),
                )
            self.error = error
            return False
        return True


def _sync_study(store: Store, closing: CloseState | None) -> None:
    if closing is None:
        store.sync_study("RUNNING", None)
        return
    store.sync_study(CLOSED[closing], round(time.time() * 1000))
    if closing != "interrupted":  # after an interruption the user waits; the next run may find better models
        store.sync_models()
