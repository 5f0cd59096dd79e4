"""The section of a study's report about its final model, and how often the test set was opened."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.analysis.history import History
from sweep.records.final_result import FINAL, PAGE_FILE
from sweep.records.openings_ledger import openings_text
from sweep.reporting.document import Section
from sweep.reporting.final_page import gap_text, luck_text, verdict_text


def final_sections(history: History) -> Iterator[Section]:
    """What became of the winner; nothing while the test set is closed."""
    if not history.openings:
        return
    question = "How good is the final model on images that chose nothing?"
    yield Section("final", "Final model", question, tuple(_answer(history)))


def _answer(history: History) -> Iterator[str]:
    final = history.final
    if final is None:
        yield openings_text(history.openings)
        yield "The study holds no final result: it was removed, or the look at the test set was cut off."
        return
    test = final.test
    yield (
        f"Test accuracy {test.accuracy:.4f}, 95 % interval {test.low:.4f} to {test.high:.4f}, on {test.images:,} "
        f"images. {openings_text(history.openings)}"
    )
    yield verdict_text(final)
    if final.rounds:
        yield luck_text(final)
    yield gap_text(final)
    yield f"More in {FINAL}/{PAGE_FILE} in the study's folder."
