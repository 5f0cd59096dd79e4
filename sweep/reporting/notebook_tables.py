"""HTML tables for notebooks. They set no colours, so they can be read in light and dark themes.

They do not use pandas: notebooks align the cells of `DataFrame.to_html` to the right, which makes long values hard to
read, and remove the <style> element that pandas' Styler needs.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from sweep.analysis.formatting import NONE, count, format_value, metric
from sweep.analysis.trial_row import trial_row
from sweep.records.trial_record import TrialRecord

SHOWN = 5
"""Number of best trials in the table of a study."""
MOST_ROWS = 50
_EDGE = "border-bottom:1px solid rgba(128,134,145,.35)"
_CELL = "padding:2px 12px 2px 0;vertical-align:top;background:none"
_NUMBERS = (0, 2, 3, 4, 5)


def study_html(title: str, best: Sequence[TrialRecord]) -> str:
    """Return a title and a table of the best trials."""
    return _titled(title, _records_table(best[:SHOWN]) if best else "")


def trials_html(records: Sequence[TrialRecord]) -> str:
    """Return a table with a row per trial; only the first and the last rows if there are many trials."""
    if len(records) <= MOST_ROWS:
        return _titled(count(len(records), "trial"), _records_table(records) if records else "")
    half = MOST_ROWS // 2
    shown = [*records[:half], *records[-half:]]
    return _titled(f"{len(records):,} trials, the first and last {half}", _records_table(shown))


def trial_html(record: TrialRecord) -> str:
    """Return the result of a trial, its learning curve, and the sampled values."""
    objective = record.config.objective
    row = trial_row(record).texts(objective)
    at = f" at epoch {record.best_epoch}" if record.best_epoch is not None else ""
    facts = [
        ("ended by", record.reason or NONE),
        (objective, row[objective] + at),
        ("epochs", f"{len(record.epochs)} of {record.config.training.epochs}"),
        ("parameters", row["parameters"]),
        ("time", row["time"]),
    ]
    message = [("message", record.message.splitlines()[0])] if record.message else []
    sampled = [(name, format_value(value)) for name, value in record.values.items()]
    title = f"Trial {record.number} of {record.study}: {record.state}"
    return _titled(title, _curve(record) + _table(("", ""), [*facts, *message, *sampled]))


def pairs_html(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Return a title and a table with two columns."""
    return _titled(title, _table(("", ""), list(rows)))


def _records_table(records: Sequence[TrialRecord]) -> str:
    objective = records[0].config.objective
    rows = [trial_row(record).texts(objective) for record in records]
    headings = [heading for heading in rows[0] if heading != "behind"]
    return _table(headings, [[row[heading] for heading in headings] for row in rows], _NUMBERS)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Return a table of escaped texts, without a head if all headings are empty. `numbers`: right-aligned columns."""
    sides = {True: "right;white-space:nowrap", False: "left"}

    def cells(kind: str, texts: Sequence[str]) -> str:
        return "".join(
            f'<{kind} style="{_CELL};text-align:{sides[column in numbers]}">{html.escape(text)}</{kind}>'
            for column, text in enumerate(texts)
        )

    head = f'<thead><tr style="{_EDGE}">{cells("th", headings)}</tr></thead>' if any(headings) else ""
    body = "".join(f'<tr style="background:none">{cells("td", texts)}</tr>' for texts in rows)
    return f'<table style="border-collapse:collapse;margin:4px 0;color:inherit">{head}<tbody>{body}</tbody></table>'


def _titled(title: str, rest: str) -> str:
    return f"<div><strong>{html.escape(title)}</strong>{rest}</div>"


def _curve(record: TrialRecord) -> str:
    """Return the objective by epoch, as a line in the colour of the text."""
    values = [metrics.value(record.config.objective) for metrics in record.epochs]
    if len(values) < 2:
        return ""
    low, span = min(values), (max(values) - min(values)) or 1.0
    step = 196 / (len(values) - 1)
    points = " ".join(f"{2 + i * step:.1f},{38 - 36 * (value - low) / span:.1f}" for i, value in enumerate(values))
    label = f"{record.config.objective} from {metric(values[0])} to {metric(values[-1])}"
    return (
        f'<div><svg width="200" height="40" role="img" aria-label="{html.escape(label)}">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/></svg></div>'
    )
