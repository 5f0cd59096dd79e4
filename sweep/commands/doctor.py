"""Running the doctor: configuration in, text, JSON and page out. Imports no TensorFlow and opens no study."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from sweep.commands.overrides import overrides
from sweep.errors import UserError
from sweep.image_checks.image_report import ImageReport, check_images, image_report_mapping
from sweep.image_checks.image_report_page import image_report_html
from sweep.records.atomic_writing import atomic_write
from sweep.space.config import DataConfig
from sweep.space.reader import read_space, space_from_text
from sweep.terminal.console import make_console, reading_bar
from sweep.terminal.image_check_view import print_image_report

NO_SPACE = "model: {builder: vgg}\n"
"""Whose data section has the defaults."""
FOUND = 1
"""Exit code where there is a problem."""


def read_data_config(path: str | None, space: Path | None, settings: list[str] | None) -> DataConfig:
    """The data section of the space, or the defaults, with `--set` and the path over it.

    Raises:
        SpaceError: the space or a setting is wrong.
    """
    changes = overrides(settings)
    read = read_space(space, changes) if space else space_from_text(NO_SPACE, "no space", changes)
    config = read.data
    return config if path is None else replace(config, name=path)  # not through `changes`: a path is no YAML


def examine_images(config: DataConfig, page: Path | None, as_json: bool) -> int:
    """Run the command.

    Returns:
        The exit code: 1 where there is a problem, else 0.

    Raises:
        UserError: the images cannot be found or listed, or the page cannot be written.
    """
    console = make_console(as_json=as_json)
    with reading_bar(console, f"looking at {Path(config.name).name}") as advance:
        diagnosis = check_images(config, advance)
    if as_json:
        print(json.dumps(image_report_mapping(diagnosis)))
    print_image_report(diagnosis, console)
    if page is not None:
        _write(page, diagnosis)
        console.print(f"page         {page}")
    return FOUND if diagnosis.of("problem") else 0


def _write(page: Path, diagnosis: ImageReport) -> None:
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(page) as part:
            part.write_text(image_report_html(diagnosis), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{page}: the page cannot be written: {error.strerror}; name another with --html") from error
