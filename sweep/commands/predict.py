"""`sweep predict`: the classes of images of any size and colours. The model runs in a child process."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console

from sweep.commands.model_references import FoundModel, find_model
from sweep.commands.output_files import output_errors
from sweep.data.folder import ENDINGS
from sweep.data.pixels import read_image
from sweep.errors import DataError
from sweep.execution.child_call import call_in_child
from sweep.execution.fork_server_executor import warm_up
from sweep.pictures.image_grids import draw_images
from sweep.records.array_types import Shape, UInt8Array
from sweep.records.home import Home
from sweep.terminal.console import make_console

TOP = 3
STDIN = "-"
GRID_COLUMNS = 6
GRID_MOST = 120
"""Maximum number of images in a grid; more would make a picture of many megabytes."""


class ReadImage(NamedTuple):
    """An image that was read: uint8 (height, width, channels) of the model's size."""

    name: str
    pixels: UInt8Array


class UnreadImage(NamedTuple):
    """An image that could not be read, and why."""

    name: str
    reason: str


class Prediction(NamedTuple):
    """The most likely classes of an image: at most three of (class, probability), the most likely first."""

    name: str
    top: tuple[tuple[str, float], ...]


def predict_images(
    root: Path, model: str, images: Sequence[str], grid: Path | None, tracking_uri: str | None, as_json: bool
) -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 1 if an image could not be read; the other images are classified nevertheless.

    Raises:
        UserError: there is no such model, its file is refused, there is no image, or the grid cannot be written.
    """
    console = make_console(as_json=as_json)
    sources = list(_sources(images))
    with find_model(model, Home(root), tracking_uri) as found:
        warm_up()
        read = [read_source(name, source, found.shape) for name, source in sources]
        good = [one for one in read if isinstance(one, ReadImage)]
        bad = [one for one in read if isinstance(one, UnreadImage)]
        shares = _probabilities(found, good)
        names = found.named(shares.shape[1]) if good else ()
        if good and found.classes is None:
            print(f"{found.description}: the class names are not known, so numbers are shown", file=sys.stderr)
    predictions = [_prediction(one.name, row, names) for one, row in zip(good, shares, strict=True)]
    if as_json:
        print(json.dumps(_mapping(found.description, predictions, bad)))
    _print(predictions, console)
    for one in bad:
        print(f"{one.name}: could not be read: {one.reason}", file=sys.stderr)
    if grid is not None and good:
        _draw(good, predictions, found.description, grid)
        console.print(str(grid))
    return 1 if bad else 0


def _sources(words: Sequence[str]) -> Iterator[tuple[str, Path | IO[bytes]]]:
    """Yield a name and a source for each image: files, all images below folders, standard input.

    Raises:
        DataError: a folder has no image.
    """
    for word in words:
        path = Path(word)
        if word == STDIN:
            yield "standard input", io.BytesIO(sys.stdin.buffer.read())
        elif path.is_dir():
            inside = sorted(
                p
                for p in path.rglob("*")
                if p.suffix.lower() in ENDINGS and not any(n.startswith(".") for n in p.relative_to(path).parts)
            )
            if not inside:
                raise DataError(f"{word}: the folder has no image ({', '.join(ENDINGS)})")
            yield from ((str(p), p) for p in inside)
        else:
            yield word, path


def read_source(name: str, source: Path | IO[bytes], shape: Shape) -> ReadImage | UnreadImage:
    """Decode an image exactly as in training: upright, in the model's colours, resized to the model's shape."""
    height, width, channels = shape
    try:
        # `read_image`, which training uses too, resizes only to squares; `_resized` resizes to any other shape.
        pixels = read_image(source, channels, height if height == width else None)
        if pixels.shape[:2] != (height, width):
            pixels = _resized(pixels, height, width)
        return ReadImage(name, pixels)
    except Exception as error:  # a damaged file may raise almost anything: OSError, SyntaxError, struct.error, ...
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return UnreadImage(name, reason.replace(f" {name!r}", "") or type(error).__name__)


def _resized(pixels: UInt8Array, height: int, width: int) -> UInt8Array:
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    resized = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)
    return resized.reshape(height, width, pixels.shape[2])


def _probabilities(found: FoundModel, images: Sequence[ReadImage]) -> npt.NDArray[np.floating]:
    if not images:
        return np.empty((0, 0), dtype=np.float32)
    stacked = np.stack([one.pixels for one in images])
    output = found.facts.output if found.facts else None
    shares: npt.NDArray[np.floating] = call_in_child(
        "sweep.inference.prediction:probabilities", found.path, stacked, output
    )
    return shares


def _prediction(name: str, shares: npt.NDArray[np.floating], names: Sequence[str]) -> Prediction:
    order = np.argsort(-shares, kind="stable")[:TOP]
    return Prediction(name, tuple((names[place], float(shares[place])) for place in order))


def _mapping(model: str, predictions: Sequence[Prediction], bad: Sequence[UnreadImage]) -> dict[str, object]:
    return {
        "model": model,
        "predictions": [
            {
                "image": p.name,
                "class": p.top[0][0],
                "probability": p.top[0][1],
                "top": [{"class": name, "probability": share} for name, share in p.top],
            }
            for p in predictions
        ],
        "unread": [{"image": one.name, "reason": one.reason} for one in bad],
    }


def _print(predictions: Sequence[Prediction], console: Console) -> None:
    wide = max((len(p.name) for p in predictions), default=0)
    for prediction in predictions:
        (best, share), *others = prediction.top
        rest = ", ".join(f"{name} {other:.3f}" for name, other in others)
        console.print(f"{prediction.name:<{wide}}  {best} {share:.3f}   ({rest})")


def _draw(images: Sequence[ReadImage], predictions: Sequence[Prediction], model: str, path: Path) -> None:
    captions = [(Path(p.name).name, p.top[0][0], f"{p.top[0][1]:.1%}") for p in predictions[:GRID_MOST]]
    more = f", the first {GRID_MOST} of {len(images):,} images" if len(images) > GRID_MOST else ""
    columns = min(GRID_COLUMNS, max(3, len(captions)))
    with output_errors(path, "--grid"):
        draw_images([one.pixels for one in images[:GRID_MOST]], captions, columns, f"{model}{more}", path)
