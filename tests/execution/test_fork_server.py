"""Children do not run the user's script again, however the script was started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE

SCRIPT = """
from pathlib import Path
from sweep.execution.fork_server import ChildContext

with Path("runs.txt").open("a") as stream:
    stream.write("once ")
context = ChildContext()
context.set_forkserver_preload([])
ours, theirs = context.Pipe()
process = context.Process(target=theirs.send, args=("hello",))
process.start()
print(ours.recv() if ours.poll(300) else "nothing came")
process.join()
print(process.exitcode, __name__)
"""
OTHER = """
import multiprocessing

def shout():
    print("called", flush=True)

from sweep.execution.fork_server import ChildContext
context = ChildContext()
context.set_forkserver_preload([])
if __name__ == "__main__":
    ours = context.Process(target=print, args=("ours",))
    ours.start()
    ours.join()
    theirs = multiprocessing.get_context("forkserver").Process(target=shout)
    theirs.start()
    theirs.join()
    print(ours.exitcode, theirs.exitcode)
"""


def run(folder: Path, *words: str, text: str | None = None) -> str:
    """Run Python with these arguments in the folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stderr == ""
    return done.stdout


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run(tmp_path, "script.py") == "hello\n0 __main__\n"
    assert (tmp_path / "runs.txt").read_text() == "once "


def test_a_module_run_by_its_name_runs_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    assert run(tmp_path, "-m", "script") == "hello\n0 __main__\n"
    assert (tmp_path / "runs.txt").read_text() == "once "


def test_a_script_from_standard_input_runs_once(tmp_path: Path) -> None:
    assert run(tmp_path, "-", text=SCRIPT) == "hello\n0 __main__\n"
    assert (tmp_path / "runs.txt").read_text() == "once "


def test_the_users_own_processes_still_import_the_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(OTHER)
    assert run(tmp_path, "script.py") == "ours\ncalled\n0 0\n"
