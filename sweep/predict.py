"""`sweep predict`: the classes of new images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.command_line import HomeOption, JsonOption, run_as_program


def predict_command(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE…", help="Files of any size, folders with all below them, or - for stdin."),
    ],
    model: Annotated[
        str,
        typer.Option(metavar="REF", help="A study, a .keras file, models:/NAME@champion, or runs:/ID/PATH."),
    ],
    grid: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the images with their predictions into a PNG.")
    ] = None,
    home: HomeOption = Path(),
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow store; MLFLOW_TRACKING_URI, else mlflow/mlflow.db below --home.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say the class of each image, how sure the model is, and what else it might be.

    PNG, JPEG, WebP and what else Pillow reads, grey or colour; resized as the training images were. The name of a study
    means its final model, before it has one that of its best trial. What cannot be read is named and skipped: exit
    code 1.
    """
    from sweep.commands.predict import predict_images

    raise typer.Exit(predict_images(home, model, images, grid, tracking_uri, as_json))


if __name__ == "__main__":
    run_as_program(predict_command, "predict")
