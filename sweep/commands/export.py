"""A model in the formats that it is deployed in, each checked against the Keras model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.commands.images import prepare_images
from sweep.commands.model_references import FoundModel, find_model
from sweep.data.cache import Prepared
from sweep.errors import DataError, ModelFileError, UserError
from sweep.execution.child_call import call_in_child
from sweep.execution.fork_server_executor import warm_up
from sweep.records.atomic_writing import atomic_write, remove
from sweep.records.home import Home
from sweep.records.keras_archive import ModelFacts
from sweep.records.model_evaluation import Latency, Measured
from sweep.terminal.console import make_console, print_table

NEEDS: dict[str, tuple[str, ...]] = {
    "keras": (),
    "saved-model": (),
    "tflite": ("ai_edge_litert",),
    "tflite-int8": ("ai_edge_litert",),
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
}
"""By format the packages that writing and checking it needs."""
NAMES = {
    "keras": "model.keras",
    "saved-model": "saved_model",
    "tflite": "model.tflite",
    "tflite-int8": "model-int8.tflite",
    "onnx": "model.onnx",
}
ALL = "all"
LABELS_FILE = "labels.txt"
LEAST_AGREEMENT = {"tflite-int8": 0.97}
EXACT_AGREEMENT = 0.995
"""Share of validation images on which a format must name the same class as the Keras model."""


@dataclasses.dataclass(frozen=True)
class Exported:
    """One written format.

    Attributes:
        size: bytes, of a folder the sum.
        holds: it agrees with the Keras model as it should.
    """

    kind: str
    path: Path
    size: int
    measured: Measured
    holds: bool


def export_model(root: Path, model: str, kind: str, out: Path | None, tracking_uri: str | None, as_json: bool) -> int:
    """Run the command.

    Returns:
        The exit code: 0, or 1 where a format does not agree with the Keras model.

    Raises:
        UserError: there is no such model, its file is refused, its images are not to be had, a package is missing.
    """
    kinds = tuple(NEEDS) if kind == ALL else (kind,)
    check_packages(kinds)
    home, console = Home(root), make_console(as_json=as_json)
    with find_model(model, home, tracking_uri) as found:
        facts = _facts(found)
        warm_up()
        prepared = prepare_images(facts.data, home.cache, console)
        _check_images(prepared, facts)
        target = out or _default_folder(found, home, facts)
        exported = export(found, facts, prepared, kinds, target, console)
    if as_json:
        print(json.dumps(_as_mapping(found.said, target, facts, exported)))
    _print(found.said, exported, facts, target, console)
    return 0 if all(one.holds for one in exported) else 1


def check_packages(kinds: Sequence[str]) -> None:
    """Say which packages are missing before anything is done.

    Raises:
        UserError: at least one is.
    """
    missing = {kind: [name for name in NEEDS[kind] if importlib.util.find_spec(name) is None] for kind in kinds}
    missing = {kind: [name.replace("_", "-") for name in names] for kind, names in missing.items() if names}
    told = [f"{kind} needs {', '.join(names)}" for kind, names in missing.items()]
    if told:
        raise UserError(f"{'; '.join(told)}: not installed. Install them with: pip install -e '.[export]'")


def _facts(found: FoundModel) -> ModelFacts:
    if found.facts is None:
        raise ModelFileError(
            f"{found.said}: it does not say which images it was made from, so nothing could be checked; export a "
            "study, its final model, or the model in a trial's folder"
        )
    return found.facts


def _check_images(prepared: Prepared, facts: ModelFacts) -> None:
    if prepared.digest != facts.digest:
        raise DataError(
            f"the images of {facts.data.name} are not those that the model was trained on (another digest): "
            "comparing would mean nothing; restore them"
        )


def _default_folder(found: FoundModel, home: Home, facts: ModelFacts) -> Path:
    """`studies/NAME/export` for models of a study that is here, else beside the file."""
    study = home.study(facts.study)
    return study / "export" if study.is_dir() else found.path.resolve().parent / "export"


def export(
    found: FoundModel, facts: ModelFacts, prepared: Prepared, kinds: Sequence[str], out: Path, console: Console
) -> list[Exported]:
    """Write the formats and measure them.

    Raises:
        UserError: the folder cannot be written.
        SweepError: a converter failed, with its traceback.
    """
    files = {kind: out / NAMES[kind] for kind in kinds}
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / LABELS_FILE).write_text("".join(f"{name}\n" for name in facts.classes), encoding="utf-8")
        for kind in kinds:
            console.print(f"writing {files[kind]}", style="dim")
            _write(kind, found.path, files[kind], prepared, facts)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written: {error.strerror or error}") from error
    compared = {"keras": found.path, **files}
    measured: dict[str, Measured] = call_in_child(
        "sweep.inference.export_comparison:compare_exports", compared, prepared, facts.data, facts.threads
    )
    return [_exported(kind, path, measured[kind]) for kind, path in files.items()]


def _write(kind: str, source: Path, target: Path, prepared: Prepared, facts: ModelFacts) -> None:
    with atomic_write(target) as part:
        if kind == "keras":
            shutil.copyfile(source, part)
        else:
            call_in_child("sweep.inference.tf_converters:write_format", kind, source, part, prepared, facts.data)
        remove(target)  # a folder is not replaced by a rename


def _exported(kind: str, path: Path, measured: Measured) -> Exported:
    size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) if path.is_dir() else path.stat().st_size
    return Exported(kind, path, size, measured, measured.agreement >= LEAST_AGREEMENT.get(kind, EXACT_AGREEMENT))


def _as_mapping(said: str, out: Path, facts: ModelFacts, exported: Sequence[Exported]) -> dict[str, object]:
    return {
        "model": said,
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


def _print(said: str, exported: Sequence[Exported], facts: ModelFacts, out: Path, console: Console) -> None:
    # In two lines, so that it fits into 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("\nformat", no_wrap=True)
    for heading in ("differ-\nence", "same\nclass", "\naccuracy", "\nsize", "1\nimage", "\np95", "32\nimages", "\np95"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in exported:
        table.add_row(*_row(one), style="" if one.holds else "red")
    console.print(f"{said}, against itself on {exported[0].measured.images:,} validation images:")
    print_table(console, table)
    shape = ", ".join(map(str, facts.shape))
    console.print(
        f"Every format takes raw pixels: uint8 (batch, {shape}), 0 to 255, and gives float32 (batch, "
        f"{len(facts.classes)}) in the order of {LABELS_FILE}. The difference is the largest of any output; latencies "
        f"are in milliseconds, median and 95th percentile, {facts.threads} thread{'s' if facts.threads > 1 else ''}, "
        "measured in turns. A final model has been trained on these images too: their accuracy compares formats, its "
        "test accuracy says how good it is."
    )
    for line in _disagreements(exported):
        console.print(Text(line, style="bold red"))
    console.print(str(out))


def _row(one: Exported) -> tuple[str, ...]:
    measured = one.measured
    return (
        one.kind,
        f"{measured.difference:.2g}",
        f"{measured.agreement:.2%}",
        f"{measured.accuracy:.4f}",
        f"{one.size / 1000:,.0f} kB",
        *_times(measured.single),
        *_times(measured.batch),
    )


def _times(latency: Latency) -> tuple[str, str]:
    return f"{latency.median:.2f}", f"{latency.p95:.2f}"


def _disagreements(exported: Sequence[Exported]) -> Iterator[str]:
    for one in exported:
        if not one.holds:
            least = LEAST_AGREEMENT.get(one.kind, EXACT_AGREEMENT)
            yield (
                f"{one.kind} names another class than the Keras model for {1 - one.measured.agreement:.2%} of the "
                f"images; expected at most {1 - least:.1%}. Do not ship it."
            )
