"""The page in a real browser: opened from disk, without network, in light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sweep.analysis.history import History
from sweep.analysis.report_findings import collect_findings
from sweep.reporting.render import to_html
from sweep.reporting.report_page import Commands, report_document
from sweep.study.importance import importances
from tests.analysis.histories import failed, history
from tests.reporting.simulate import simulate, simulated_space
from tests.reporting.test_report_page import EVIL, evil_history

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium or google-chrome found")]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SLOW = 300_000
"""Milliseconds; a machine that is busy with other tests compiles Plotly slowly."""


@dataclass(frozen=True)
class Browser:
    """A browser and a folder for pages."""

    handle: Any
    folder: Path

    def open(self, found: History, scheme: str = "light", width: int = 1200) -> tuple[Any, list[str]]:
        """Open the report, draw all charts as for printing, and return the page and the list of its errors."""
        page, wrong = self.begin(found, scheme, width)
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        count = page.locator(".chart").count()
        page.wait_for_function(f"document.documentElement.dataset.drawn === '{count} of {count}'", timeout=SLOW)
        return page, wrong

    def begin(self, found: History, scheme: str = "light", width: int = 1200) -> tuple[Any, list[str]]:
        """Open the report and return the loaded page and the list of its errors."""
        path = self.folder / "report.html"
        measured = importances(found.space, found.records, resamples=20)
        document = report_document(
            found, collect_findings(found, measured, "demo-2"), Commands("again", "search", "next_space.yaml")
        )
        path.write_text(to_html(document), encoding="utf-8")
        context = self.handle.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
        page, wrong = context.new_page(), []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url) if not _local(request.url) else None)
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri(), timeout=SLOW)
        return page, wrong


def _local(url: str) -> bool:
    return url.startswith(("file:", "data:", "blob:"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all of these tests."""
    with sync_api.sync_playwright() as playwright:
        handle = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield Browser(handle, tmp_path_factory.mktemp("pages"))
        handle.close()


def simulated(count: int) -> History:
    """A simulated study."""
    return History("simulated", simulated_space(), tuple(simulate(count)))


def test_every_chart_of_a_large_study_draws_offline_without_an_error(browser: Browser) -> None:
    page, wrong = browser.open(simulated(500))
    drawn = page.evaluate("[...document.querySelectorAll('.chart')].map(c => c.querySelectorAll('svg, canvas').length)")
    assert wrong == []
    assert len(drawn) >= 15
    assert all(drawn)


def test_the_text_does_not_wait_for_charts_and_a_chart_is_drawn_when_it_is_near(browser: Browser) -> None:
    page, wrong = browser.begin(simulated(40))
    assert page.evaluate("document.documentElement.dataset.drawn").startswith("0 of ")
    page.evaluate("document.querySelector('#search').scrollIntoView({behavior: 'instant'})")
    page.locator("#search .chart svg").first.wait_for(timeout=SLOW)
    assert page.locator("#hours .chart svg").count() == 0
    assert wrong == []


def test_hovering_over_a_trial_shows_its_number(browser: Browser) -> None:
    page, _ = browser.open(simulated(40))
    chart = page.locator("#search .chart").first
    chart.scroll_into_view_if_needed()
    chart.locator(".scatterlayer .points path").last.hover(force=True)
    label = page.locator(".hoverlayer .hovertext").first
    label.wait_for(timeout=SLOW)
    assert "trial" in (label.text_content() or "") or "best so far" in (label.text_content() or "")


def test_html_in_names_and_values_is_shown_as_text(browser: Browser) -> None:
    page, wrong = browser.open(evil_history())
    assert wrong == []
    assert EVIL in page.locator(".subtitle").inner_text()
    ticks = page.locator("#landscape .grid .chart").all_text_contents()
    assert any("<script>" in text for text in ticks)
    assert page.evaluate("document.querySelectorAll('body script:not([type])').length") == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_window_does_not_scroll_horizontally_and_text_is_readable(browser: Browser, scheme: str) -> None:
    page, wrong = browser.open(simulated(40), scheme, width=390)
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ink, ground = (page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor"))
    brightness = [sum(int(part) for part in color[4:-1].split(",")) for color in (ink, ground)]
    assert (brightness[0] < brightness[1]) is (scheme == "light")


def test_a_study_with_only_failed_trials_opens(browser: Browser) -> None:
    _, wrong = browser.open(history(failed(0), failed(1, "oom", "out of memory")))
    assert wrong == []
