"""`sweep predict`: the classes of new images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, TrackingOption, run_as_program


def predict_command(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE…", help="Files of any size, folders with subfolders, or - for standard input."),
    ],
    model: Annotated[
        str,
        typer.Option(metavar="REF", help="A study, a .keras file, models:/NAME@champion, or runs:/ID/PATH."),
    ],
    grid: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a PNG with the images and their predictions.")
    ] = None,
    home: HomeOption = Path(),
    tracking_uri: TrackingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the class of each image, its probability, and the next most likely classes.

    Reads PNG, JPEG, WebP and the other formats of Pillow, grey or colour, and resizes images as in training. The name
    of a study means its final model, or the model of its best trial if it has no final one yet. Files that cannot be
    read are listed and skipped; the exit code is then 1.
    """
    from sweep.commands.predict import predict_images

    raise typer.Exit(predict_images(home, model, images, grid, tracking_uri, as_json))


if __name__ == "__main__":
    run_as_program(predict_command, "predict")
