"""Write a document as HTML or Markdown, and the trials as CSV."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from importlib import resources

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from sweep.analysis.history import History
from sweep.analysis.report_findings import ReportFindings
from sweep.analysis.trial_row import column_names
from sweep.reporting.document import Block, Chart, Code, Document, Notes, Table


def to_html(document: Document) -> str:
    """Return one HTML file that needs no network.

    The template and Plotly's JSON escape all texts of the document. A content security policy is the second safeguard:
    only the page's own two scripts can run, and nothing can be loaded. The policy contains `unsafe-eval`, because
    Plotly's parallel coordinates compile code at run time.
    """
    plotly, script = get_plotlyjs(), _file("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    return environment.from_string(_file("page.html.j2")).render(
        document=document,
        css=Markup(_file("page.css")),
        plotly=Markup(plotly),
        script=Markup(script),
        policy=_policy(plotly, script),
        kind_of=lambda block: type(block).__name__,
        figure_json=_figure_json,
        height=lambda chart: int(chart.figure.layout.height),
    )


def _figure_json(chart: Chart) -> Markup:
    """Return a figure for a script element. Plotly escapes `<`, `>` and `/`, so no text can close the element."""
    figure = chart.figure.to_plotly_json()
    return Markup(to_json_plotly({"data": figure["data"], "layout": figure["layout"]}))


def _policy(*scripts: str) -> str:
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"


def _file(name: str) -> str:
    return resources.files("sweep.reporting").joinpath(name).read_text(encoding="utf-8")


def to_markdown(document: Document) -> str:
    """Return the document as Markdown, without charts, pictures and folded blocks."""
    lines = [f"# {_text(document.title)}", "", _text(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {section.question}", "", *(_text(sentence) for sentence in section.answer), ""]
        for block in section.blocks:
            lines += _markdown_block(block)
    return "\n".join(lines).rstrip() + "\n"


def _markdown_block(block: Block) -> list[str]:
    match block:
        case Table(folded=""):
            return [*_markdown_table(block), *([_text(block.note), ""] if block.note else [])]
        case Code():
            return [_text(block.title), "", *(f"    {line}" for line in block.text.splitlines()), ""]
        case Notes():
            return [*(f"- {_text(item)}" for item in block.items), ""]
    return []


def _markdown_table(table: Table) -> Iterator[str]:
    # Not DataFrame.to_markdown: it needs the package tabulate.
    yield _markdown_row(table.headings)
    yield _markdown_row(tuple("---:" if i in table.numeric else "---" for i in range(len(table.headings))))
    yield from (_markdown_row(row) for row in table.rows)
    yield ""


def _markdown_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    """Return the text on one line, with `<`, `>` and `&` escaped, because Markdown can contain HTML."""
    return html.escape(" ".join(text.split()), quote=False)


def to_csv(history: History, findings: ReportFindings) -> str:
    """Return a row per trial, best first, and a column per parameter, empty in trials that do not have it."""
    names = list(dict.fromkeys(p.name for p in history.space.parameters))
    names += sorted({name for row in findings.standings for name in row.values} - set(names))
    rows = [
        [
            row.number,
            *row.columns(history.objective).values(),
            *(_cell(row.values[name]) if name in row.values else "" for name in names),
        ]
        for row in findings.standings
    ]
    frame = pd.DataFrame(rows, columns=["trial", *column_names(history.objective), *names], dtype=object)
    csv: str = frame.to_csv(index=False, lineterminator="\n")
    return csv


def _cell(value: object) -> object:
    """Return a value as a space file writes it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "null" if value is None else value
