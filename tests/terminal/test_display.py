from __future__ import annotations

import io

import pytest
from rich.console import Console

from sweep.terminal.console import make_console
from sweep.terminal.display import line, render, run_display
from sweep.terminal.tally import Tally
from tests.fakes import make_record


def text_of(tally: Tally, elapsed: float = 100.0) -> list[str]:
    """Return the lines of the display, without trailing spaces."""
    console = Console(record=True, width=100, file=io.StringIO())
    console.print(render(tally, elapsed))
    return [line.rstrip() for line in console.export_text().splitlines()]


def ended_tally() -> Tally:
    tally = Tally(total=12, workers=3, epochs=4)
    tally(make_record(0, (0.25, 0.75, 0.5, 0.5)), 0)
    tally(make_record(1, (0.25,), state="failed", reason="nan"), 1)
    tally(make_record(2, (0.25, 0.5), state="running"), 1)
    return tally


def test_the_live_table_has_a_row_per_worker_and_the_totals() -> None:
    lines = text_of(ended_tally())
    assert lines[0].split() == ["worker", "trial", "epoch", "val_accuracy", "val_loss", "best", "epoch"]
    assert lines[1].split() == ["0", "0000", "4/4", "complete", "0.5000", "1.0000", "0.7500", "@2"]
    assert lines[2].split()[:3] == ["1", "0002", "2/4"]
    assert lines[2].split()[-4:] == ["0.5000", "1.0000", "0.5000", "@2"]
    assert lines[3].split() == ["2", "-", "starting"]
    assert lines[4] == ""
    assert lines[5] == "2 of 12 trials   1 complete   0 pruned   1 failed   1 min 40 s   about 5 min 29 s left"
    assert lines[6] == "best: trial 0000, val_accuracy 0.7500"


def test_the_display_before_any_trial_has_ended() -> None:
    lines = text_of(Tally(total=3, workers=1, epochs=4), 2.0)
    assert lines[1].split() == ["0", "-", "starting"]
    assert lines[3] == "0 of 3 trials   0 complete   0 pruned   0 failed   2.0 s   time left not known yet"
    assert lines[4] == "no trial is complete yet"


def test_the_live_display_draws_on_a_terminal_and_cleans_up() -> None:
    file = io.StringIO()
    tally = Tally(total=3, workers=1, epochs=4)
    with run_display(Console(file=file, force_terminal=True, width=100), tally) as display:
        display(make_record(0, (0.5,), state="running"), 0)
    assert "0000" in file.getvalue()
    assert tally.on_worker(0) == make_record(0, (0.5,), state="running")


def test_an_ended_trial_is_one_line() -> None:
    tally = ended_tally()
    complete = make_record(0, (0.25, 0.75, 0.5, 0.5), timings={"total": 12.3})
    assert line(complete, tally) == "[2/12] trial 0000 complete: val_accuracy 0.7500 at epoch 2, 4 epochs, 12.3 s"
    failed = make_record(1, state="failed", reason="nan", message="not finite\nTraceback", timings={"total": 75.0})
    assert line(failed, tally) == "[2/12] trial 0001 failed: nan: not finite, 1 min 15 s"
    assert line(make_record(2, state="failed", reason="bug"), tally) == "[2/12] trial 0002 failed: bug: "
    assert line(make_record(3, state="interrupted"), tally) == "[2/12] trial 0003 interrupted: 0 epochs"


def print_plainly(message: str) -> None:
    with run_display(make_console(), Tally(total=3, workers=1, epochs=4)) as display:
        display(make_record(0, state="running"), 0)
        display(make_record(0, (0.25, 0.5, 0.5)), 0)
        display(make_record(1, state="failed", reason="bug", message=message), 0)


def test_without_a_terminal_each_ended_trial_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    print_plainly("x" * 200)
    assert capsys.readouterr().out == (
        "[1/3] trial 0000 complete: val_accuracy 0.5000 at epoch 2, 3 epochs\n"
        f"[2/3] trial 0001 failed: bug: {'x' * 200}\n"
    )


def test_brackets_in_a_message_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_plainly("no file [/data/x.png] of shape [batch, 8]")
    assert capsys.readouterr().out.endswith("failed: bug: no file [/data/x.png] of shape [batch, 8]\n")


def test_a_quiet_display_counts_and_says_nothing() -> None:
    file = io.StringIO()
    tally = Tally(total=3, workers=1, epochs=4)
    with run_display(Console(file=file, quiet=True), tally) as display:
        display(make_record(0, (0.5,)), 0)
    assert file.getvalue() == ""
    assert tally.ended == 1
