"""A study in Python, with records that the tests write."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

import sweep
from sweep.analysis.record_comparison import Comparison
from sweep.api.figures import Figures
from sweep.commands.reproduce import Reproduction
from sweep.errors import NothingFinished, StudyError
from sweep.records.home import Home
from sweep.records.trial_record import write_record
from tests.analysis.histories import complete, failed, history, pruned
from tests.fakes import make_record, make_study
from tests.reporting.simulate import simulate, simulated_space

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a study of four trials."""
    folder = tmp_path / "studies" / "demo"
    make_study(folder)
    records = [
        make_record(0, (0.5, 0.75), values={"learning_rate": 0.001, "filters_2": 8}, parameters=1234),
        make_record(1, (0.25, 0.875), values={"learning_rate": 0.01}, timings={"total": 4.5}),
        pruned(2, 0.125, values={"learning_rate": 1.0, "state": "odd"}),
        failed(3, "bug", f"{EVIL}\nTraceback …", values={}),
    ]
    for record in records:
        write_record(folder / "trials" / f"{record.number:04d}", record)
    return tmp_path


def test_trials_are_a_sequence_and_the_best_is_one_of_them(home: Path) -> None:
    study = sweep.Study("demo", home)

    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    assert [trial.state for trial in study.trials[2:]] == ["pruned", "failed"]
    assert (study.best.number, study.best.value, study.best.best_epoch) == (1, 0.875, 2)
    assert study.best.values == {"learning_rate": 0.01}
    assert [metrics.val_accuracy for metrics in study.best.epochs] == [0.25, 0.875]
    assert study.trial(0) == study.trials[0]
    assert study.best.folder == home / "studies" / "demo" / "trials" / "0001"
    assert study.best.home == home


def test_a_new_trial_is_there_at_the_next_access(home: Path) -> None:
    study = sweep.Study("demo", home)
    write_record(study.folder / "trials" / "0004", make_record(4, (0.9375,)))
    assert len(study.trials) == 5
    assert study.best.number == 4


def test_the_repr_shows_the_state_and_the_best_trial(home: Path) -> None:
    study = sweep.Study("demo", home)
    assert repr(study) == (
        "<Study demo: 4 trials (2 complete, 1 failed, 1 pruned), best val_accuracy 0.8750 by trial 1>"
    )
    assert repr(study.trials[1:]) == (
        "[<Trial 1 of demo: complete, val_accuracy 0.8750 at epoch 2>, "
        "<Trial 2 of demo: pruned, val_accuracy 0.1250 at epoch 1>, <Trial 3 of demo: failed (bug)>]"
    )


def test_an_unknown_study_or_trial_is_an_error(home: Path) -> None:
    with pytest.raises(StudyError, match=r"there is no study other in .*; existing studies: demo"):
        sweep.Study("other", home)
    with pytest.raises(StudyError, match="the study demo has no trial 9; its trials are 0 to 3"):
        sweep.Study("demo", home).trial(9)
    make_study(home / "studies" / "empty")
    with pytest.raises(NothingFinished, match="the study empty has no complete trial yet"):
        _ = sweep.Study("empty", home).best


def test_a_data_frame_has_a_row_per_trial_and_whole_numbers_stay_whole(home: Path) -> None:
    frame = sweep.Study("demo", home).trials.to_dataframe()

    assert list(frame.columns) == [
        "state", "reason", "val_accuracy", "best_epoch", "epochs", "parameters", "seconds", "learning_rate",
        "filters_2", "values.state",
    ]  # fmt: skip
    assert frame.index.name == "trial"
    assert frame["state"].tolist() == ["complete", "complete", "pruned", "failed"]
    assert frame["epochs"].tolist() == [2, 2, 1, 1]
    assert frame["filters_2"].dtype == pd.Int64Dtype()
    assert frame.loc[0, "filters_2"] == 8
    assert math.isnan(frame.loc[3, "val_accuracy"])
    assert frame.loc[2, "values.state"] == "odd"


def test_the_error_for_a_model_that_is_not_kept_says_how_to_get_it(home: Path) -> None:
    study = sweep.Study("demo", home)
    with pytest.raises(StudyError) as caught:
        study.best.model()
    assert str(caught.value) == (
        "the model of trial 1 of the study demo is not kept: only the best models are (search.keep_models); "
        'sweep.reproduce(trial, folder="trial-1").model_file trains it again'
    )
    with pytest.raises(
        StudyError, match=r"trial 2 .* not kept: the trial is pruned, and only complete trials keep one"
    ):
        study.trial(2).model()


def test_tables_for_notebooks_show_the_best_and_escape_user_texts(home: Path) -> None:
    study = sweep.Study("demo", home)
    page = study._repr_html_()
    assert "<strong>Study demo: 4 trials (2 complete, 1 failed, 1 pruned), best val_accuracy 0.8750" in page
    assert page.index("learning_rate=0.01") < page.index("learning_rate=0.001")
    whole = study.trials._repr_html_() + study.trial(3)._repr_html_() + study.trial(1)._repr_html_()
    assert "&lt;script&gt;alert(1)" in whole
    assert EVIL not in whole
    assert '<polyline points="2.0,38.0 198.0,2.0"' in whole


def test_of_many_trials_a_notebook_shows_the_first_and_the_last() -> None:
    trials = sweep.Trials([sweep.Trial(make_record(n, (0.5,)), Path("studies/demo")) for n in range(1200)])
    page = trials._repr_html_()
    assert "1,200 trials, the first and last 25" in page
    assert page.count("<tr") == 51


def test_a_comparison_shows_its_verdict_and_what_differs() -> None:
    comparison = Comparison("DIVERGED at epoch 2", 0.25, False, ("cpu: <old> -> new",))
    again = Reproduction(make_record(7, (0.5, 0.75)), (), "", comparison, None)
    assert (again.verdict, again.holds) == ("DIVERGED at epoch 2", False)
    assert repr(again) == "<Reproduction of trial 7 of demo: DIVERGED at epoch 2>"
    page = again._repr_html_()
    assert "Trial 7 of demo again: DIVERGED at epoch 2" in page
    assert "cpu: &lt;old&gt; -&gt; new" in page
    assert again.as_mapping()["same_weights"] is False


def test_the_report_is_written_to_the_study_or_to_the_given_path(home: Path) -> None:
    study = sweep.Study("demo", home)
    assert study.report() == home / "studies" / "demo" / "report.html"
    assert study.report(home / "mine.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Home(home).study("demo") == study.folder


def test_every_figure_can_be_drawn_in_readable_colours() -> None:
    records = simulate(40)
    figures = Figures(history(*records, space=simulated_space()))
    drawn = {
        "history": figures.history(),
        "hours of search": figures.history(by="hours"),
        "curves": figures.curves(),
        "hours": figures.hours(),
        "pruning": figures.pruning(),
        "importance": figures.importance(),
        "parallel": figures.parallel(),
        "two axes": figures.parallel(["learning_rate", "blocks"]),
        "slice": figures.slice("learning_rate"),
        "contour": figures.contour(),
        "contour of two": figures.contour("learning_rate", "augmentation_strength"),
    }
    assert {name: len(figure.data) > 0 for name, figure in drawn.items()} == dict.fromkeys(drawn, True)
    assert {figure.layout.font.color for figure in drawn.values()} == {"#7b838f"}
    assert drawn["hours of search"].layout.xaxis.title.text == "time of search (minutes)"
    assert [axis.label for axis in drawn["two axes"].data[0].dimensions] == ["learning_rate", "blocks", "val_accuracy"]
    assert drawn["contour of two"].layout.xaxis.title.text.startswith("learning_rate")


def test_a_figure_that_cannot_be_drawn_is_an_error_with_the_reason() -> None:
    figures = Figures(history(complete(0, 0.5, values={"learning_rate": 0.01}), failed(1)))
    with pytest.raises(
        StudyError, match=r"study demo has no parameter `learning_rat`; .* did you mean `learning_rate`\?"
    ):
        figures.slice("learning_rat")
    with pytest.raises(NothingFinished, match="no complete or pruned trial has momentum yet"):
        figures.slice("momentum")
    with pytest.raises(NothingFinished, match="1 complete or pruned trial, but the importance of parameters needs 20"):
        figures.importance()
    with pytest.raises(NothingFinished, match="a contour chart needs 12 complete trials"):
        figures.contour("learning_rate", "optimizer")
    with pytest.raises(NothingFinished, match="no trial was pruned"):
        figures.pruning()
    nothing = Figures(history())
    for draw in (nothing.history, nothing.curves, nothing.hours, nothing.parallel):
        with pytest.raises(NothingFinished):
            draw()
