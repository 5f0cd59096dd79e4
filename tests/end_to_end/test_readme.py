"""The commands of the README and of docs/ in their order: with limits added, and endless ones stopped."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.end_to_end.conftest import environment
from tests.image_checks.conftest import healthy_folder, picture
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/commands.md", "docs/performance.md")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(
        not (ROOT / ".venv" / ".sweep-setup").is_file(), reason="the scripts would install .venv, from the network"
    ),
]

SMALL = "--data digits --limit 200 --epochs 1 --trials 8"
LIMITS = {
    "scripts/sweep --space": "--limit 200 --epochs 1 --trials 4",
    "scripts/test": "tests/test_tree.py",
    "scripts/test -m long": "--collect-only tests/end_to_end/test_readme.py",
    "scripts/bench throughput": "--data digits --limit 200 --epochs 1 --models 2",
    "scripts/bench study": "--trials 30",
    "python -m sweep.check search_spaces/vgg.yaml": "--set data.name=digits",
    "python -m sweep.run --space search_spaces/vgg.yaml --trials": SMALL,
    "python -m sweep.run --space search_spaces/vgg.yaml --data photos": "--limit 30 --epochs 1 --trials 2",
    "python -m sweep.finalize": "--top 2 --max-repeats 1",
}
"""Options to add to a command that starts like this; the longest match counts, and the last value of an option."""
MAY_DISAGREE = "python -m sweep.export"
"""Exit code 1 means that a format disagrees; int8 can, with 20 validation images and after one epoch of training."""
ENDLESS = ("scripts/ui", "python -m sweep.status --study vgg --watch")
ELSEWHERE = {
    "scripts/check": "takes minutes, and checks nothing that depends on the other commands",
    "pip install optuna-dashboard": "needs the network",
    "optuna-dashboard": "is not installed with sweep",
}


def commands() -> list[str]:
    """Return every command of the pages' blocks without a language, in order, without the remarks after it."""
    found: list[str] = []
    for page in PAGES:
        language: str | None = None
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
            if line.startswith("```"):
                language = line[3:] if language is None else None
            elif language == "" and re.match(r"scripts/[a-z]|python -m |pip |optuna-dashboard ", line):
                found.append(line.partition("  #")[0].strip())
    return found


def limited(command: str) -> str:
    fitting = [start for start in LIMITS if command.startswith(start)]
    return f"{command} {LIMITS[max(fitting, key=len)]}" if fitting else command


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the files that the commands use, as in a clone."""
    for name in ("scripts", "search_spaces", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    healthy_folder(tmp_path / "photos")
    picture(7).save(tmp_path / "photo.jpg")
    (tmp_path / "folder").mkdir()
    picture(8).save(tmp_path / "folder" / "another.png")
    return tmp_path


def variables() -> dict[str, str]:
    """Return the environment as after `source .venv/bin/activate`."""
    return {**environment(), "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def run(command: str, folder: Path) -> str:
    """Run the command and return what it prints."""
    words = shlex.split(command)
    done = subprocess.run(words, cwd=folder, env=variables(), capture_output=True, text=True, timeout=3 * PATIENCE)
    good = (0, 1) if command.startswith(MAY_DISAGREE) else (0,)
    assert done.returncode in good, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes], command: str) -> None:
    def holds() -> bool:
        assert process.poll() is None, f"{command} ended with {process.returncode}"
        return condition()

    wait_until(holds, 0.1)


@contextmanager
def started(words: list[str], folder: Path, output: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command that does not end by itself; its process group is killed at the end."""
    process = subprocess.Popen(
        words,
        cwd=folder,
        env=variables(),
        start_new_session=True,
        stdout=output,
        stderr=subprocess.STDOUT,
        preexec_fn=enable_ctrl_c,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def enable_ctrl_c() -> None:
    """Handle SIGINT as in a terminal: a process in the background of a script inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def ctrl_c(process: subprocess.Popen[bytes]) -> int:
    """Do what Ctrl-C does and return the exit code."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(PATIENCE)


def show_user_interface(command: str, folder: Path) -> None:
    """Check that MLflow's UI answers and that Ctrl-C stops it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as page:
                return bool(page.status == 200)
        except OSError:
            return False

    words = [*shlex.split(command), "--port", str(port)]
    with started(words, folder, subprocess.DEVNULL) as process:
        wait_for(answers, process, command)
        assert ctrl_c(process) in (0, -signal.SIGINT, 130)


def watch(command: str, folder: Path) -> None:
    """Check that a terminal shows the study repeatedly and that Ctrl-C stops it."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        with suppress(OSError):  # the other side is closed
            while text := os.read(ours, 65536):
                shown.extend(text)

    reader = threading.Thread(target=read)  # to the end: a terminal that is not read blocks the program
    with started(shlex.split(command), folder, theirs) as process:
        os.close(theirs)
        reader.start()
        wait_for(lambda: shown.count(b"study vgg") >= 2, process, command)
        assert ctrl_c(process) == 130
    reader.join(PATIENCE)
    os.close(ours)


@pytest.mark.timeout(3600)  # one test of twenty commands
def test_the_commands_of_the_readme_and_the_docs_work_in_their_order(clone: Path) -> None:
    typed = [command for command in commands() if not command.startswith(tuple(ELSEWHERE))]
    assert typed[:3] == [
        "scripts/sweep --space search_spaces/vgg.yaml --data digits --trials 12 --epochs 6 --study digits",
        "scripts/test",
        "scripts/ui",
    ]
    assert set(ENDLESS) <= set(typed)
    printed: dict[str, str] = {}
    for command in typed:
        if command == "scripts/ui":
            show_user_interface(command, clone)
        elif command in ENDLESS:
            watch(command, clone)
        else:
            printed[command] = run(limited(command), clone)
    assert f"\nmlflow       {ROOT / 'scripts' / 'ui'} shows it\n" in printed[typed[0]]
    assert sorted(path.name for path in (clone / "studies").iterdir()) == ["digits", "photos", "vgg"]
    assert (clone / "answers.png").is_file()
    exported = {path.name for path in (clone / "studies" / "vgg" / "export").iterdir()}
    assert exported >= {"model.keras", "saved_model", "model.tflite", "model-int8.tflite", "model.onnx"}
    assert "\nonnx " in printed["python -m sweep.export --model vgg --format all"]


def test_each_exception_is_about_a_command_of_the_pages() -> None:
    typed = commands()
    assert [
        start
        for start in [*ELSEWHERE, *LIMITS, *ENDLESS, MAY_DISAGREE]
        if not any(line.startswith(start) for line in typed)
    ] == []
