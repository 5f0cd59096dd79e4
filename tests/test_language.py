"""The check of the project's language."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "language.py"))


def found(text: str) -> list[str]:
    idioms = SCRIPT["idioms"]((ROOT / "docs" / "language.md").read_text(encoding="utf-8"))
    return [match[0] for pattern, _ in idioms for match in pattern.finditer(text)]


@pytest.mark.parametrize(
    ("text", "idioms"),
    [
        ("The same command goes on with this trial.", ["goes on"]),
        ("Opened for the 2. time", ["2. time"]),
        ("it is no file of this study", ["is no"]),
        ("there is no file of this study", []),
        ("Resume the trial with the same command.", []),
    ],
)
def test_the_check_finds_the_listed_idioms_only(text: str, idioms: list[str]) -> None:
    assert found(text) == idioms


def test_an_idiom_is_reported_with_its_place_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "language.md").write_text("## Words to avoid\n| `anew` | again |\n", encoding="utf-8")
    (tmp_path / "page.md").write_text("First line.\nStart anew.\n", encoding="utf-8")
    monkeypatch.setitem(SCRIPT["main"].__globals__, "ROOT", tmp_path)
    assert SCRIPT["main"]() == 1
    assert capsys.readouterr().out == "page.md:2: `anew`: write instead: again\n"
