"""`sweep doctor`: check images. Imports no TensorFlow and opens no study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sweep.commands.output_files import make_parent, write_output
from sweep.commands.overrides import overrides_from_options
from sweep.image_checks.image_report import check_images, image_report_mapping
from sweep.image_checks.image_report_page import image_report_html
from sweep.space.config import DataConfig
from sweep.space.reader import read_space, space_from_text
from sweep.terminal.console import make_console, reading_bar
from sweep.terminal.image_check_view import print_image_report

NO_SPACE = "model: {builder: vgg}\n"
"""A space with the default data section."""


def read_data_config(path: str | None, space: Path | None, settings: list[str] | None) -> DataConfig:
    """Return the data section of the space, or the defaults, with `--set` and the path applied.

    Raises:
        SpaceError: the space or a setting is wrong.
    """
    changes = overrides_from_options(settings)
    read = read_space(space, changes) if space else space_from_text(NO_SPACE, "no space", changes)
    return read.data if path is None else replace(read.data, name=path)


def examine_images(config: DataConfig, page: Path | None, as_json: bool) -> int:
    """Run the command.

    Returns:
        The exit code: 1 if there is a problem, else 0.

    Raises:
        UserError: the images cannot be found or listed, or the page cannot be written.
    """
    console = make_console(as_json=as_json)
    with reading_bar(console, f"checking {Path(config.name).name}") as advance:
        report = check_images(config, advance)
    if as_json:
        print(json.dumps(image_report_mapping(report)))
    print_image_report(report, console)
    if page is not None:
        make_parent(page, "--html")
        write_output(page, image_report_html(report), "--html")
        console.print(f"page         {page}")
    return 1 if report.of("problem") else 0
