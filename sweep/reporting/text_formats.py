"""A document as Markdown, and the trials as a table of comma-separated values."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Iterator

from sweep.analysis.history import History
from sweep.analysis.report_findings import ReportFindings
from sweep.analysis.trial_row import column_names
from sweep.reporting.document import Block, Code, Document, Notes, Table


def to_markdown(document: Document) -> str:
    """The report without its charts."""
    lines = [f"# {_text(document.title)}", "", _text(document.subtitle), ""]
    for section in document.sections:
        lines += [f"## {section.question}", "", *(_text(sentence) for sentence in section.answer), ""]
        for block in section.blocks:
            lines += _block(block)
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> list[str]:
    if isinstance(block, Table) and not block.folded:
        return [*_table(block), *([_text(block.note), ""] if block.note else [])]
    if isinstance(block, Code):
        return [_text(block.title), "", *(f"    {line}" for line in block.text.splitlines()), ""]
    if isinstance(block, Notes):
        return [*(f"- {_text(item)}" for item in block.items), ""]
    return []


def _table(table: Table) -> Iterator[str]:
    yield _row(table.headings)
    yield _row(tuple("---:" if i in table.numeric else "---" for i in range(len(table.headings))))
    yield from (_row(row) for row in table.rows)
    yield ""


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _text(text: str) -> str:
    """One line; Markdown takes HTML as HTML, and what a user wrote is none."""
    return html.escape(" ".join(text.split()), quote=False)


def to_csv(history: History, findings: ReportFindings) -> str:
    """One row per trial, the best first; every searched parameter has a column, empty where it did not apply."""
    names = list(dict.fromkeys(p.name for p in history.space.parameters))
    names += sorted({name for row in findings.standings for name in row.values} - set(names))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["trial", *column_names(history.objective), *names])
    for row in findings.standings:
        values = (_cell(row.values[name]) if name in row.values else "" for name in names)
        writer.writerow([row.number, *row.columns(history.objective).values(), *values])
    return stream.getvalue()


def _cell(value: object) -> object:
    """As the space file writes it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else "null" if value is None else value
