"""Charts, tested by the values that they draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from sweep.analysis.axes import axis_of
from sweep.analysis.progress import TimeSpent, progress
from sweep.analysis.pruning_effects import summarize_pruning
from sweep.reporting.chart_style import chart_text, robust_range, thinned
from sweep.reporting.contour_chart import contour_parameters, smooth
from sweep.reporting.curve_charts import bands, curves_chart
from sweep.reporting.parameter_charts import importance_chart, parallel_chart, slice_chart
from sweep.reporting.search_charts import progress_chart, pruning_chart, time_chart
from sweep.reporting.sections_space import by_importance
from sweep.space.parameters import Choice, Parameter
from sweep.study.importance import Importance, importances
from tests.analysis.histories import complete, history, make_space, pruned


def parameter(name: str) -> Parameter:
    """Return a parameter of the space."""
    return next(found for found in make_space().parameters if found.name == name)


def traces(figure: Any) -> dict[str, Any]:
    """Return the traces of a figure by name."""
    return {trace.get("name"): trace for trace in figure.to_dict()["data"]}


def test_the_best_so_far_is_a_staircase_of_its_corners() -> None:
    found = history(complete(0, 0.5), complete(1, 0.4), complete(2, 0.7), complete(3, 0.6))
    line = traces(progress_chart(found, progress(found), by_hours=False))["best so far"]
    assert (list(line["x"]), list(line["y"])) == ([1, 3, 4], [0.5, 0.7, 0.7])


def test_cuts_are_counted_by_epoch() -> None:
    figure = pruning_chart(summarize_pruning(history(pruned(0, 0.1), pruned(1, 0.1), pruned(2, 0.1, 0.2)))).to_dict()
    assert (list(figure["data"][0]["x"]), list(figure["data"][0]["y"])) == ([1, 2], [2, 1])
    assert figure["layout"]["xaxis"]["title"]["text"] == "pruned after epoch"


@pytest.mark.parametrize(
    ("seconds", "unit", "shown"), [(60.0, "seconds", 60.0), (600.0, "minutes", 10.0), (36000.0, "hours", 10.0)]
)
def test_time_is_drawn_in_a_suitable_unit(seconds: float, unit: str, shown: float) -> None:
    figure = time_chart([TimeSpent("complete", 1, seconds, 0.0, 0.0, seconds)]).to_dict()
    assert figure["layout"]["xaxis"]["title"]["text"] == f"summed time ({unit})"
    assert list(figure["data"][0]["x"]) == [shown]


def test_the_axes_of_importance_are_percent_and_bars_below_chance_are_grey() -> None:
    rows = [Importance("a", 0.75, 0.5, 0.875, 0.25, 30), Importance("b", 0.125, 0.0, 0.25, 0.25, 30)]
    figure = importance_chart(rows).to_dict()
    bars = figure["data"][0]
    assert (list(bars["y"]), list(bars["x"])) == (["a", "b"], [75.0, 12.5])
    assert list(bars["error_x"]["array"]) == [12.5, 12.5]
    assert bars["marker"]["color"][0] != bars["marker"]["color"][1]
    assert figure["layout"]["xaxis"]["title"]["text"] == "share of the total importance (%)"


def test_a_slice_of_a_log_range_has_a_logarithmic_axis() -> None:
    found = history(complete(0, 0.5, values={"learning_rate": 0.01}), complete(1, 0.4, values={"learning_rate": 0.1}))
    figure = slice_chart(found, parameter("learning_rate"))
    assert list(traces(figure)["best"]["x"]) == [-2.0]
    assert list(traces(figure)["complete"]["x"]) == [-1.0]
    layout = figure.to_dict()["layout"]["xaxis"]
    assert list(layout["ticktext"]) == ["0.0001", "0.001", "0.01", "0.1"]
    assert layout["title"]["text"] == "learning_rate (log scale)"


def test_choices_of_numbers_are_sorted_and_choices_of_words_keep_their_order() -> None:
    assert axis_of(Choice("n", ("model", "n"), choices=(64, 8, 16))).choices == (8, 16, 64)
    assert axis_of(Choice("n", ("model", "n"), choices=("sgd", "adam"))).choices == ("sgd", "adam")


def test_a_trial_without_a_parameter_is_below_its_parallel_axis() -> None:
    values: list[dict[str, Any]] = [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.8}]
    found = history(*(complete(n, 0.5 + 0.1 * n, values=value) for n, value in enumerate(values)))
    momentum = parallel_chart(found, [parameter("momentum")]).to_dict()["data"][0]["dimensions"][0]
    assert momentum["values"][0] < 0.8 <= momentum["values"][1]
    assert momentum["ticktext"][0] == "not used"


def test_without_an_importance_a_learning_rate_comes_first_and_conditional_parameters_last() -> None:
    values = [
        {"blocks": 1 + n % 2, "learning_rate": 0.001 * (1 + n), "momentum": 0.8 + 0.01 * n, "label_smoothing": 0.01 * n}
        for n in range(4)
    ]
    found = history(*(complete(n, 0.5, values=values[n]) for n in range(4)))
    unknown = importances(found.space, found.records)
    assert [p.name for p in by_importance(found, unknown)] == [
        "learning_rate", "blocks", "label_smoothing", "momentum",
    ]  # fmt: skip


def test_a_band_holds_the_quantiles_of_the_trials_that_trained_the_epoch() -> None:
    trials = [pruned(n, 0.1 * n) for n in range(5)]
    (band,) = bands(history(*trials, complete(9, 0.4)))
    assert (band.epoch, band.trials) == (1, 6)
    assert band.quantiles[2] == pytest.approx(0.2)


def test_few_trials_have_a_line_each_and_many_a_band() -> None:
    few = curves_chart(history(*(complete(n, 0.5) for n in range(15)))).to_dict()["data"]
    many = curves_chart(history(*(complete(n, 0.5) for n in range(40)))).to_dict()["data"]
    assert (len(few), len(many)) == (15, 13)  # two bands, the median, the best ten


def test_an_exploded_loss_does_not_flatten_the_axis_and_a_poor_accuracy_is_seen() -> None:
    losses = [1.0, 1.1, 1.2, 1.3, 1.4, 1e6]
    low, high = robust_range(losses) or (0.0, 0.0)
    assert (low < 1.0, high < 2.0) == (True, True)
    assert (robust_range([0.0, 0.9, 0.9, 0.9, 0.9]) or (1.0, 1.0))[0] <= 0.0
    assert robust_range([]) is None


def test_thinning_keeps_the_first_and_the_ends() -> None:
    assert thinned(range(100), 5, first=2) == [0, 1, 2, 50, 99]
    assert thinned([1, 2], 5) == [1, 2]


def test_the_landscape_is_blank_where_no_trial_is_near_and_between_the_values_elsewhere() -> None:
    surface = smooth(np.array([[0.1, 0.1], [0.12, 0.1], [0.1, 0.12]]), np.array([0.2, 0.4, 0.6]))
    assert math.isnan(surface[-1, -1])
    assert 0.2 < surface[4, 4] < 0.6


def test_a_landscape_needs_two_ranges_that_a_dozen_trials_have() -> None:
    both = {"learning_rate": 0.01, "label_smoothing": 0.05}
    trials = [complete(n, 0.5, values=both) for n in range(12)]
    parameters = [parameter(name) for name in ("optimizer", "learning_rate", "momentum", "label_smoothing")]
    pair = contour_parameters(history(*trials), parameters)
    assert pair is not None
    assert [found.name for found in pair] == ["learning_rate", "label_smoothing"]
    assert contour_parameters(history(*trials[:11]), parameters) is None


def test_html_is_escaped_for_a_chart() -> None:
    assert chart_text("<b>&</b>") == "&lt;b&gt;&amp;&lt;/b&gt;"
