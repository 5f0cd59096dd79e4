"""`sweep export`: a model in the formats for deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweep.commands.command_line import HomeOption, JsonOption, TrackingOption, run_as_program


def export_command(
    model: Annotated[
        str,
        typer.Option(metavar="REF", help="A study, a .keras file of sweep, models:/NAME@champion, or runs:/ID/PATH."),
    ],
    kind: Annotated[
        Literal["keras", "saved-model", "tflite", "tflite-int8", "onnx", "all"],
        typer.Option("--format", help=r"tflite and onnx need additional packages: `pip install -e '.\[export]'`."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the files. By default studies/NAME/export.")
    ] = None,
    home: HomeOption = Path(),
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a model with its preprocessing inside, and compare it with the Keras model on the validation images.

    All formats take raw pixels (uint8, 0 to 255) and return one number per class; labels.txt has the classes in order.
    tflite-int8 is calibrated with training images. The exit code is 1 if a format and the Keras model predict different
    classes for more than 0.5 % of the images (tflite-int8: 3 %).
    """
    from sweep.commands.export import export_model

    raise typer.Exit(export_model(home, model, kind, out, tracking_uri, as_json))


if __name__ == "__main__":
    run_as_program(export_command, "export")
