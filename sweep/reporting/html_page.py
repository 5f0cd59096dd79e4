"""A document as one HTML file that needs no network."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from sweep.reporting.document import Chart, Document


def to_html(document: Document) -> str:
    """The page. Everything in the document is text: the template escapes it, and so does Plotly's JSON.

    A content policy stands behind that: only the page's own two scripts may run, and nothing may be loaded. Plotly's
    parallel coordinates compile their shaders' wrappers, hence `unsafe-eval`.
    """
    plotly, script = get_plotlyjs(), _file("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    template = environment.from_string(_file("page.html.j2"))
    return template.render(
        document=document,
        css=Markup(_file("page.css")),
        plotly=Markup(plotly),
        script=Markup(script),
        policy=_policy(plotly, script),
        kind_of=lambda block: type(block).__name__,
        figure_json=figure_json,
        height=lambda chart: int(chart.figure.layout.height),
    )


def figure_json(chart: Chart) -> Markup:
    """A figure for a script element; `<`, `>` and `/` are written as escapes, so that nothing can end the element."""
    figure = chart.figure.to_plotly_json()
    return Markup(to_json_plotly({"data": figure["data"], "layout": figure["layout"]}))


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _file(name: str) -> str:
    return resources.files("sweep.reporting").joinpath(name).read_text(encoding="utf-8")
