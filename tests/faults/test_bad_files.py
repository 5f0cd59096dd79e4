"""Damaged, huge or wrong files: one clear line, exit code 2, no traceback, nothing written elsewhere."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sweep.cli import app
from sweep.commands.command_line import run_app
from sweep.errors import RecordError, SpaceError, StudyError, SweepError
from sweep.records.trial_record import record_from_json, record_to_mapping
from sweep.space.reader import read_space, space_from_text
from sweep.study.open_study import open_study
from tests.fakes import make_record, make_space, make_study, run_trials

NAMES = [
    "../evil", "..", ".", "/etc/passwd", "a/b", "a\\b", "", " ", "a\nb", "\x1b[31mred", "a\0b", "<script>x</script>",
    "con\u202etxt", "-rf", "a" * 65, "~root", "$(id)", "ünï", ".hidden", "a:b",
]  # fmt: skip


def sweep(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run a command in this process; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["sweep", *words])
    with pytest.raises(SystemExit) as caught:
        run_app(app(), "sweep")
    return int(caught.value.code or 0)


def message_of(call: Callable[[], object], error: type[SweepError]) -> str:
    """Return the message of the only allowed error; "" if none is raised."""
    try:
        call()
    except error as caught:
        return str(caught)
    return ""


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", ["status", "show", "report", "sync"])
def test_a_study_name_that_is_not_a_folder_name_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    (tmp_path / "home").mkdir()
    code = sweep(monkeypatch, command, f"--study={name}", "--home", str(tmp_path / "home"))
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    assert output.err.startswith(
        "error: a study's name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or digit"
    )
    assert output.err.count("\n") == 1
    assert output.err.strip().isprintable()
    assert tree(tmp_path) == ["home"]


@pytest.mark.parametrize("name", ["../evil", "a\nb", "a\0b", "<script>"])
@pytest.mark.parametrize("option", ["--study", "--fork"])
def test_a_run_refuses_such_a_name_before_it_creates_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, name: str
) -> None:
    monkeypatch.setattr("sweep.execution.fork_server_executor.warm_up", list)
    (tmp_path / "space.yaml").write_text("model: {builder: vgg}\n")
    words = ("--space", str(tmp_path / "space.yaml"), "--home", str(tmp_path / "home"), f"{option}={name}")
    assert sweep(monkeypatch, "run", *words) == 2
    assert capsys.readouterr().err.startswith("error: a study's name has 1 to 64 letters")
    assert tree(tmp_path) == ["space.yaml"]


def _laughs() -> str:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, "model: {builder: vgg}"])


BOMBS: dict[str, str] = {
    "a billion laughs": _laughs(),
    "an alias of itself": "model: &m {builder: vgg, dropout: *m}",
    "a merge of itself": "model: &m\n  builder: vgg\n  <<: *m\n",
    "1,500 merges": "model: {builder: vgg}\n" + "".join(f"k{n}: &k{n} {{<<: *k{n - 1}}}\n" for n in range(1, 500)),
    "deep brackets": "model: " + "[" * 7_000 + "]" * 7_000,
    "deep braces": "model: " + "{a: " * 3_000 + "}" * 3_000,
    "deep dashes": "- " * 7_000,
    "deep indents": "".join(" " * n + f"k{n}:\n" for n in range(170)),
    "a huge integer": "model: {builder: vgg, blocks: " + "9" * 15_000 + "}",
    "a huge exponent": "model: {builder: vgg, l2: 1e999999999}",
    "a huge sexagesimal": "model: {builder: vgg, blocks: " + ":".join(["59"] * 4_000) + "}",
    "a huge range": "model: {builder: vgg}\nsearch: {sampler: grid}\n"
    "training: {learning_rate: {low: 1e-300, high: 1e300, step: 1e-300}}",
    "many keys": "".join(f"k{n}: 1\n" for n in range(1_600)),
    "many choices": "model: {builder: vgg, dense_units: [" + ",".join(map(str, range(1, 3_000))) + "]}",
    "NUL bytes": "model: {builder: vgg}\n" + "\0" * 5_000,
    "a tag that would run code": 'model: !!python/object/apply:os.system ["touch pwned"]',
    "control characters": "model: {builder: \x1b[31mvgg}",
    "a script": "study: <script>alert(1)</script>\nmodel: {builder: vgg}",
    "a climbing name": "study: ../../evil\nmodel: {builder: vgg}",
}


def seconds_of(work: Callable[[], object]) -> float:
    """Return the smallest CPU time of three runs, because garbage collection or a busy host may lengthen a run."""
    found = []
    for _ in range(3):
        started = time.thread_time()
        work()
        found.append(time.thread_time() - started)
    return min(found)


@pytest.mark.timeout(60)  # if the bomb works, the test does not return
@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_within_a_second(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(text)
    message = message_of(lambda: read_space(tmp_path / "space.yaml"), SpaceError)
    assert seconds_of(lambda: message_of(lambda: read_space(tmp_path / "space.yaml"), SpaceError)) < 1.0
    assert all(line.isprintable() for line in message.splitlines())
    assert tree(tmp_path) == ["space.yaml"]


def test_ten_megabytes_are_refused_without_reading_them(tmp_path: Path) -> None:
    with (tmp_path / "space.yaml").open("wb") as stream:
        stream.truncate(10_000_000)
    assert "larger than 16,000 bytes" in message_of(lambda: read_space(tmp_path / "space.yaml"), SpaceError)
    assert seconds_of(lambda: message_of(lambda: read_space(tmp_path / "space.yaml"), SpaceError)) < 0.1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a study of two trials, in one file."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    run_trials(make_study(folder), 2)
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
    return folder / "copy.db"


def opened_or_refused(folder: Path) -> str:
    """Return the message about the database; "" if it could be used."""
    return message_of(
        lambda: open_study(folder, make_space(), threads=1, check_folder=lambda: None).next(100), StudyError
    )


@pytest.mark.parametrize("share", [0.001, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
def test_a_truncated_database_is_refused_in_one_line(tmp_path: Path, whole: Path, share: float) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    content = whole.read_bytes()
    (folder / "study.db").write_bytes(content[: int(len(content) * share)])
    message = opened_or_refused(folder)
    assert message.startswith(f"{folder}/study.db")
    assert "\n" not in message


def test_a_database_with_damaged_pages_is_used_or_refused(tmp_path: Path, whole: Path) -> None:
    generator = random.Random(7)
    content = bytearray(whole.read_bytes())
    for number in range(15):
        folder = tmp_path / str(number) / "demo"
        folder.mkdir(parents=True)
        damaged = bytearray(content)
        at = generator.randrange(100, len(damaged) - 600)
        damaged[at : at + 600] = generator.randbytes(600)
        (folder / "study.db").write_bytes(damaged)
        assert "\n" not in opened_or_refused(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = 'v9.9.9'",
        "DELETE FROM studies",
        "DROP TABLE trials",
        "UPDATE study_user_attributes SET value_json = '{' WHERE key = 'sweep.space'",
        "UPDATE study_user_attributes SET value_json = '7' WHERE key = 'sweep.space'",
        "UPDATE study_user_attributes SET value_json = '\"model: [\"' WHERE key = 'sweep.space'",
    ],
)
def test_a_database_of_another_version_or_content_is_refused_in_one_line(
    tmp_path: Path, whole: Path, statement: str
) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    shutil.copy(whole, folder / "study.db")
    with closing(sqlite3.connect(folder / "study.db")) as connection, connection:
        connection.execute(statement)
    message = opened_or_refused(folder)
    assert str(folder) in message
    assert "\n" not in message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values inside a JSON value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, child in children for found in leaves(child, (*path, key)))]


RECORD = record_to_mapping(make_record(3, (0.25, 0.5)))
PATHS = [path for path in leaves(RECORD) if path]


@given(st.sampled_from(PATHS), JSON)
@settings(max_examples=200, deadline=None)
def test_a_record_with_any_value_anywhere_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    changed = json.loads(json.dumps(RECORD))
    here = changed
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    _read_or_refuse(json.dumps(changed))


@given(st.text() | JSON.map(json.dumps) | st.binary().map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=100, deadline=None)
def test_any_text_is_a_record_or_refused(text: str) -> None:
    _read_or_refuse(text)


def _read_or_refuse(text: str) -> None:
    message = message_of(lambda: record_from_json(text, "trial.json"), RecordError)
    assert message == "" or message.startswith("trial.json: not a trial record of format 1: ")


@given(st.sampled_from(list(BOMBS.values())), st.integers(0, 16_000), st.text(max_size=5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_piece_of_a_bomb_is_a_space_or_has_faults(text: str, at: int, inserted: str) -> None:
    piece = text[: at % (len(text) + 1)] + inserted
    message = message_of(lambda: space_from_text(piece, "s.yaml"), SpaceError)
    assert all(line.startswith("s.yaml:") for line in message.splitlines())
