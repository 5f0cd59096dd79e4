"""The outputs of `finalize`: pictures, the model card, the page, the summary on the terminal."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.finalization.model_card import model_card
from sweep.invocation import command_text
from sweep.pictures.evaluation_pictures import ERRORS, draw_all
from sweep.records.atomic_writing import write_atomically
from sweep.records.disk import disk_errors
from sweep.records.final_result import CARD_FILE, MODEL_FILE, PAGE_FILE, PICTURES, FinalResult, final_folder
from sweep.records.openings_ledger import Opening, openings_text, read_openings
from sweep.reporting.final_page import final_document, gap_text, luck_text, verdict_text
from sweep.reporting.render import to_html
from sweep.terminal.console import plain_table


def write_outputs(study_folder: Path, result: FinalResult, home: str) -> None:
    """Write everything that depends only on the result, next to `final.json`.

    Args:
        study_folder: the study's folder.
        result: the final result.
        home: ` --home DIR` or an empty text, for the commands on the page.

    Raises:
        DiskError: a file cannot be written.
    """
    folder = final_folder(study_folder)
    with disk_errors(folder / PICTURES):
        draw_all(folder / PICTURES, result)
    openings = read_openings(study_folder)
    write_atomically(folder / CARD_FILE, model_card(result, openings_text(openings)))
    errors = folder / PICTURES / ERRORS
    picture = base64.b64encode(errors.read_bytes()).decode() if errors.is_file() else ""
    options = f"--model {result.study}{home}"
    commands = (
        ("Predict with the model:", f"{command_text('predict')} {options} IMAGE"),
        ("Export it in all formats and compare the outputs:", f"{command_text('export')} {options} --format all"),
    )
    page = final_document(result, openings, picture, commands)
    write_atomically(folder / PAGE_FILE, to_html(page))


def print_final_summary(
    result: FinalResult, openings: Sequence[Opening], study_folder: Path, console: Console, *, as_json: bool
) -> None:
    """Print the result and where its files are."""
    folder = final_folder(study_folder)
    if as_json:
        print(json.dumps({**dataclasses.asdict(result), "test_openings": len(openings), "folder": str(folder)}))
        return
    console.print(_finalists_table(result))
    console.print(Text(verdict_text(result), style="bold"))
    if result.rounds:
        console.print(luck_text(result))
    test = result.test
    console.print(
        f"test accuracy {test.accuracy:.4f}, 95 % interval {test.low:.4f} to {test.high:.4f} ({test.images:,} images); "
        f"calibration error {test.calibration_error:.4f}"
    )
    console.print(gap_text(result))
    console.print(Text(openings_text(openings), style="" if len(openings) == 1 else "bold red"))
    found = result.registered
    mlflow = f"models:/{found.name}@{found.alias} (version {found.version})" if found else "not registered"
    for name, place in (("model", folder / MODEL_FILE), ("page", folder / PAGE_FILE), ("mlflow", mlflow)):
        console.print(f"{name:<12} {place}")


def _finalists_table(result: FinalResult) -> Table:
    table = plain_table(f"finalists, {result.objective}")
    for heading in ("trial", "mean", "deviation", "n", "P(best)", "search", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for finalist in result.finalists:
        table.add_row(
            f"{finalist.trial:04d}",
            "" if finalist.mean is None else f"{finalist.mean:.4f}",
            "" if finalist.deviation is None else f"{finalist.deviation:.4f}",
            str(len(finalist.scores)),
            "" if finalist.dropped or not finalist.scores else f"{finalist.best_share:.3f}",
            f"{finalist.search_score:.4f}",
            f"{finalist.parameters:,}",
            "recommended" if finalist.trial == result.winner else finalist.dropped,
        )
    return table
