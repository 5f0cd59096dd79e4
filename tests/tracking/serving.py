"""MLflow's own server for a store, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import wait_until


@contextmanager
def serve(store: Path, scratch: Path) -> Iterator[str]:
    """Serve a folder with `mlflow.db` and `artifacts`, and yield the address. The log goes to `scratch`."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "0", "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}/mlflow.db"]
    command += ["--artifacts-destination", str(store / "artifacts")]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (scratch / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=scratch, env=environment, start_new_session=True
        )
        try:
            yield _address(Path(log.name), process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Return the address from the server's log: another process could take a port that a test chooses."""

    def logged() -> re.Match[str] | None:
        assert process.poll() is None, f"mlflow server did not start:\n{log.read_text()}"
        return re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())

    wait_until(logged, pause=0.1)
    found = logged()
    assert found is not None
    urllib.request.urlopen(f"{found[1]}/health").close()
    return found[1]
