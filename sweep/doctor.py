"""`sweep doctor`: check images before training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import JsonOption, SetOption, bad_option, run_as_program


def doctor_command(
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="A folder of class folders, an .npz file, or the name of a data set."),
    ] = None,
    space: Annotated[
        Path | None,
        typer.Option("--space", metavar="FILE", help="Read the data section from this file; PATH is then optional."),
    ] = None,
    settings: SetOption = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with pictures.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find problems in images: unreadable files, lossy formats, duplicates, leaks into the test set, doubtful classes.

    Exit code 0: nothing serious; 1: problems were found; 2: the data does not exist or has no class folders.
    """
    from sweep.commands.doctor import examine_images, read_data_config

    if path is None and space is None:
        raise bad_option("PATH", "a folder, an .npz file, the name of a data set, or --space FILE", "nothing")
    config = read_data_config(path, space, settings)
    raise typer.Exit(examine_images(config, html, as_json))


if __name__ == "__main__":
    run_as_program(doctor_command, "doctor")
