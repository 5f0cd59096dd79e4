"""MLflow's own pages of a mirrored study in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from sweep.records.trial_record import TrialRecord
from sweep.tracking.open_mlflow import sync_study
from sweep.tracking.tracker import StudyInfo
from tests.tracking.serving import serve

playwright = pytest.importorskip("playwright.sync_api", reason="the Python package playwright is not installed")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; on Debian: apt-get install chromium"),
]

MakeRecord = Callable[..., TrialRecord]
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SLOW = 120_000
"""Milliseconds, for a machine that is busy with other tests."""
AS_TRAINING = "workflowType=machine_learning"
"""MLflow has one user interface for language models and one for model training."""
LINES = """() => Object.fromEntries(
    [...document.querySelectorAll('.js-plotly-plot')]
        .flatMap(plot => plot.data)
        .filter(trace => trace.type === 'parcoords')
        .flatMap(trace => trace.dimensions)
        .map(axis => [axis.label, [...axis.values]])
)"""
"""The data of the plot: by axis, a value per trial."""


@pytest.fixture
def page() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        opened = browser.new_page(viewport={"width": 1500, "height": 950})
        opened.set_default_timeout(SLOW)
        playwright.expect.set_options(timeout=SLOW)
        yield opened
        browser.close()


def test_the_pages_list_the_study_with_its_trials_and_draw_all_trials_in_parallel_coordinates(
    page: Any, info: StudyInfo, home: Path, make_record: MakeRecord, tmp_path: Path
) -> None:
    values = [{"learning_rate": 0.001 * (1 + number), "blocks": 2 + number % 2} for number in range(3)]
    records = [
        make_record(0, "complete", epochs=4, values=values[0]),
        make_record(1, "pruned", epochs=2, values=values[1]),
        make_record(2, "complete", epochs=2, values=values[2]),
    ]
    sync_study(info, records, None, home)
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("demo")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'")
    trials = json.dumps([run.info.run_id for run in found], separators=(",", ":"))
    with serve(home / "mlflow", tmp_path) as server:
        base = f"{server}/#"
        _list_shows_parent_and_children(page, f"{base}/experiments/{experiment.experiment_id}/runs?{AS_TRAINING}")
        which = f'runs={trials}&experiments=["{experiment.experiment_id}"]'
        _all_trials_are_in_parallel_coordinates(page, f"{base}/compare-runs?{which}&{AS_TRAINING}")


def _list_shows_parent_and_children(page: Any, address: str) -> None:
    page.goto(address)
    expect = playwright.expect
    expect(page.get_by_role("link", name="demo", exact=True).last).to_be_visible()
    page.locator("button[data-component-id*='runnamecellrenderer']").first.click()
    for name in ("0000 0.750", "0001 pruned@2", "0002 0.625"):
        expect(page.get_by_role("link", name=name)).to_be_visible()


def _all_trials_are_in_parallel_coordinates(page: Any, address: str) -> None:
    page.goto(address)
    expect = playwright.expect
    expect(page.get_by_text("Comparing 3 Runs from 1 Experiment")).to_be_visible()
    expect(page.get_by_text("Parallel Coordinates Plot")).to_be_visible()
    axes = page.locator(".axis-title")
    expect(axes.first).to_be_visible()
    assert {"blocks", "learning_rate"} <= set(axes.all_text_contents())
    lines = page.evaluate(LINES)
    assert sorted(lines["learning_rate"]) == [0.001, 0.002, 0.003]
