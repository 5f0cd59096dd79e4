"""`sweep report`: what a study has found, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweep.commands.command_line import HomeOption, StudyOption, TrackingOption, run_as_program


def report_command(
    study: StudyOption,
    home: HomeOption = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File to write. By default studies/NAME/report.html and MLflow for html, standard output for others.",
        ),
    ] = None,
    kind: Annotated[
        Literal["html", "md", "csv", "json"],
        typer.Option("--format", help="html: one offline page with charts; csv: a row per trial."),
    ] = "html",
    tracking_uri: TrackingOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Report what a study has found: the best trial, its lead, the important parameters, where to search next."""
    from sweep.commands.report import write_or_print_report

    write_or_print_report(home, study, out, "json" if as_json else kind, tracking_uri)


if __name__ == "__main__":
    run_as_program(report_command, "report")
