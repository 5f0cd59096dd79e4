"""`sweep export`: a model in the formats for deployment, each compared with the Keras model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from sweep.analysis.formatting import count
from sweep.commands.model_references import FoundModel, find_model
from sweep.commands.output_files import output_errors
from sweep.commands.prerequisites import prepare_images
from sweep.data.cache import Prepared
from sweep.errors import DataError, ModelFileError, UserError
from sweep.execution.child_call import call_in_child
from sweep.execution.fork_server_executor import warm_up
from sweep.records.atomic_writing import atomic_write, remove
from sweep.records.home import Home
from sweep.records.keras_archive import ModelFacts
from sweep.records.model_evaluation import Latency, Measured
from sweep.terminal.console import make_console, plain_table

LABELS_FILE = "labels.txt"


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that a model can be written in.

    Attributes:
        file: name of the file or folder.
        packages: the packages that are needed to write and check it.
        agreement: minimum share of the validation images to which this format and the Keras model give the same class.
    """

    file: str
    packages: tuple[str, ...] = ()
    agreement: float = 0.995


FORMATS = {
    "keras": Format("model.keras"),
    "saved-model": Format("saved_model"),
    "tflite": Format("model.tflite", ("ai_edge_litert",)),
    "tflite-int8": Format("model-int8.tflite", ("ai_edge_litert",), 0.97),
    "onnx": Format("model.onnx", ("tf2onnx", "onnx", "onnxruntime")),
}


@dataclasses.dataclass(frozen=True)
class Exported:
    """One written format.

    Attributes:
        size: bytes of the file, or of all files in the folder.
        holds: True if the written model agrees with the Keras model closely enough.
    """

    kind: str
    path: Path
    size: int
    measured: Measured
    holds: bool


def export_model(root: Path, model: str, kind: str, out: Path | None, tracking_uri: str | None, as_json: bool) -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 1 if a format does not agree with the Keras model.

    Raises:
        UserError: there is no such model, its file is refused, its images are missing, or a package is missing.
    """
    kinds = tuple(FORMATS) if kind == "all" else (kind,)
    check_packages(kinds)
    home, console = Home(root), make_console(as_json=as_json)
    with find_model(model, home, tracking_uri) as found:
        facts = _facts(found)
        warm_up()
        prepared = prepare_images(facts.data, home.cache, console)
        if prepared.digest != facts.digest:
            raise DataError(
                f"the images of {facts.data.name} have changed since the model was trained (their digest differs), so "
                "the formats cannot be compared; restore the images"
            )
        study = home.study(facts.study)
        target = out or (study if study.is_dir() else found.path.resolve().parent) / "export"
        with output_errors(target, "--out"):
            target.mkdir(parents=out is not None, exist_ok=True)  # a study that was removed is not made again
        exported = export(found, facts, prepared, kinds, target, console)
    if as_json:
        print(json.dumps(_as_mapping(found.description, target, facts, exported)))
    _print(found.description, exported, facts, target, console)
    return 0 if all(one.holds for one in exported) else 1


def check_packages(kinds: Sequence[str]) -> None:
    """Check that the packages of the formats are installed.

    Raises:
        UserError: packages are missing.
    """
    faults = []
    for kind in kinds:
        missing = [name.replace("_", "-") for name in FORMATS[kind].packages if importlib.util.find_spec(name) is None]
        if missing:
            faults.append(f"{kind} needs {', '.join(missing)}")
    if faults:
        raise UserError(f"{'; '.join(faults)}, which is missing. Install with: pip install -e '.[export]'")


def _facts(found: FoundModel) -> ModelFacts:
    if found.facts is None:
        raise ModelFileError(
            f"{found.description}: the file does not name its training images, so the formats could not be checked; "
            "export a study, its final model, or the model in a trial's folder"
        )
    return found.facts


def export(
    found: FoundModel, facts: ModelFacts, prepared: Prepared, kinds: Sequence[str], out: Path, console: Console
) -> list[Exported]:
    """Write the formats to an existing folder and measure them.

    Raises:
        UserError: the folder cannot be written.
        SweepError: a converter failed; the message is its traceback.
    """
    files = {kind: out / FORMATS[kind].file for kind in kinds}
    with output_errors(out, "--out"):
        (out / LABELS_FILE).write_text("".join(f"{name}\n" for name in facts.classes), encoding="utf-8")
        for kind in kinds:
            console.print(f"writing {files[kind]}", style="dim")
            _write(kind, found.path, files[kind], prepared, facts)
    compared = {"keras": found.path, **files}
    measured: dict[str, Measured] = call_in_child(
        "sweep.inference.tf_export_comparison:compare_exports", compared, prepared, facts.data, facts.threads
    )
    return [_exported(kind, path, measured[kind]) for kind, path in files.items()]


def _write(kind: str, source: Path, target: Path, prepared: Prepared, facts: ModelFacts) -> None:
    with atomic_write(target) as part:
        if kind == "keras":
            shutil.copyfile(source, part)
        else:
            call_in_child("sweep.inference.tf_converters:write_format", kind, source, part, prepared, facts.data)
        remove(target)  # a rename cannot replace a folder


def _exported(kind: str, path: Path, measured: Measured) -> Exported:
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
    return Exported(kind, path, size, measured, measured.agreement >= FORMATS[kind].agreement)


def _as_mapping(model: str, out: Path, facts: ModelFacts, exported: Sequence[Exported]) -> dict[str, object]:
    return {
        "model": model,
        "folder": str(out),
        "input": {"type": "uint8", "shape": [None, *facts.shape], "values": "raw pixels, 0 to 255"},
        "output": {"type": "float32", "shape": [None, len(facts.classes)]},
        "classes": list(facts.classes),
        "formats": [
            {
                "format": one.kind,
                "path": str(one.path),
                "bytes": one.size,
                "holds": one.holds,
                **dataclasses.asdict(one.measured),
            }
            for one in exported
        ],
    }


def _print(model: str, exported: Sequence[Exported], facts: ModelFacts, out: Path, console: Console) -> None:
    table = plain_table()  # headings in two lines, so that the table fits into 80 columns
    table.collapse_padding = True
    table.add_column("\nformat", no_wrap=True)
    for heading in ("differ-\nence", "same\nclass", "\naccuracy", "\nsize", "1\nimage", "\np95", "32\nimages", "\np95"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in exported:
        measured = one.measured
        table.add_row(
            one.kind,
            f"{measured.difference:.2g}",
            f"{measured.agreement:.2%}",
            f"{measured.accuracy:.4f}",
            f"{one.size / 1000:,.0f} kB",
            *_times(measured.single),
            *_times(measured.batch),
            style="" if one.holds else "red",
        )
    console.print(f"{model}, compared with its exports on {exported[0].measured.images:,} validation images:")
    console.print(table)
    shape = ", ".join(map(str, facts.shape))
    console.print(
        f"All formats take raw pixels, uint8 (batch, {shape}), 0 to 255, and return float32 (batch, "
        f"{len(facts.classes)}) in the order of {LABELS_FILE}. `difference` is the largest of any output. Latencies "
        f"are in milliseconds, median and 95th percentile, with {count(facts.threads, 'thread')}, measured by turns. A "
        "final model has also been trained on the validation images: use this accuracy only to compare formats, and "
        "the test accuracy to judge the model."
    )
    for one in exported:
        if not one.holds:
            console.print(
                f"{one.kind} and the Keras model predict different classes for {1 - one.measured.agreement:.2%} of the "
                f"images; expected at most {1 - FORMATS[one.kind].agreement:.1%}. Do not deploy it.",
                style="bold red",
            )
    console.print(str(out))


def _times(latency: Latency) -> tuple[str, str]:
    return f"{latency.median:.2f}", f"{latency.p95:.2f}"
