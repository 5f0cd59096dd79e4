"""finalize, predict and export before any model is opened: options, references, images."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from sweep.commands.export import check_packages, export_model
from sweep.commands.finalize import FinalizeRequest, finalize_study
from sweep.commands.model_references import find_model
from sweep.commands.predict import ReadImage, UnreadImage, _sources, read_source
from sweep.data.pixels import read_image
from sweep.errors import DataError, ModelFileError, NothingFinished, StudyError, UserError
from sweep.finalize import parse_duration
from sweep.records.home import Home
from sweep.records.trial_record import write_record
from tests.commands.test_command_line import commands
from tests.fakes import make_record, make_study
from tests.inference.files import write_model


def test_help_and_bad_options_import_no_heavy_package(tmp_path: Path) -> None:
    *helps, budget, zero, folds, no_study, no_model, unknown, tampered = commands(
        tmp_path,
        ["sweep.finalize", "--help"],
        ["sweep.predict", "--help"],
        ["sweep.export", "--help"],
        ["sweep.finalize", "--study", "demo", "--budget", "soon"],
        ["sweep.finalize", "--study", "demo", "--top", "0"],
        ["sweep.finalize", "--study", "demo", "--folds", "5", "--max-repeats", "3"],
        ["sweep.finalize", "--study", "demo"],
        ["sweep.predict", "--model", "demo", "a.png"],
        ["sweep.export", "--model", "demo", "--format", "coreml"],
        ["sweep.predict", "--model", str(write_model(tmp_path / "m.keras", entries={"../x": b""})), "a.png"],
    )
    for answer in helps:
        assert (answer.code, answer.err, answer.heavy) == (0, "", [])
        assert "Usage: python -m sweep." in answer.out
    for answer in (budget, zero, folds, no_study, no_model, unknown, tampered):
        assert (answer.code, answer.out) == (2, ""), answer
        assert "Traceback" not in answer.err
    assert "expected a time such as 45s, 90m, 2h or 1h30m, not 'soon'" in budget.err
    assert "expected at least --folds 5, so that every image is held out once, not 3" in folds.err
    assert "there is no study demo" in no_study.err
    assert "--model demo: no such file, and studies has no study of that name" in no_model.err
    assert "its entry '../x' leads out of the archive" in tampered.err
    assert "tensorflow" not in tampered.heavy


@pytest.mark.parametrize(
    ("text", "seconds"), [("45s", 45), ("90m", 5400), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400)]
)
def test_a_budget_is_a_duration_with_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "0m", "m", "1h 30m", "-3m", "1h30"])
def test_a_text_that_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a time such as"):
        parse_duration(text)


def test_a_study_without_a_complete_trial_cannot_be_finalized(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "demo"
    make_study(folder)
    write_record(folder / "trials" / "0000", make_record(0, (0.5,), state="pruned"))

    with pytest.raises(NothingFinished, match="no trial of the study demo is complete"):
        finalize_study(FinalizeRequest(tmp_path, "demo", 5, 10, None, None, 1, None, True, "again"))


def test_the_name_of_a_study_means_its_final_model_or_else_that_of_its_best_trial(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "demo"
    make_study(folder)
    for number, accuracy in enumerate((0.5, 0.75)):
        record = make_record(number, (accuracy,), model_file="model.keras")
        write_record(folder / "trials" / f"{number:04d}", record)
        write_model(folder / "trials" / f"{number:04d}" / "model.keras")

    with find_model("demo", Home(tmp_path), None) as found:
        assert found.description == "trial 1 of the study demo, which has no final model yet"
        assert found.classes == ("0", "1")  # from the record next to it
        assert found.facts is not None
        assert (found.facts.trial, found.facts.data.name) == (1, "digits")
    (folder / "final").mkdir()
    write_model(folder / "final" / "model.keras")
    with find_model("demo", Home(tmp_path), None) as found:
        assert found.description == "the final model of the study demo"


def test_a_study_that_keeps_no_models_says_how_to_get_one(tmp_path: Path) -> None:
    folder = tmp_path / "studies" / "demo"
    make_study(folder)
    write_record(folder / "trials" / "0000", make_record(0, (0.5,)))

    with (
        pytest.raises(StudyError, match=r"has no model file; train its final model: python -m sweep\.finalize"),
        find_model("demo", Home(tmp_path), None),
    ):
        pass


def test_the_classes_of_a_foreign_model_are_numbers_and_it_cannot_be_exported(tmp_path: Path) -> None:
    path = write_model(tmp_path / "foreign.keras")

    with find_model(str(path), Home(tmp_path), None) as found:
        assert (found.classes, found.facts, found.shape) == (None, None, (8, 8, 1))
        assert found.named(3) == ("0", "1", "2")
    with pytest.raises(ModelFileError, match="does not name its training images"):
        export_model(tmp_path, str(path), "keras", None, None, True)


def test_too_few_names_for_the_outputs_are_an_error(tmp_path: Path) -> None:
    record = make_record(0, (0.5,), model_file="model.keras")
    write_record(tmp_path, record)
    path = write_model(tmp_path / "model.keras")

    with (
        find_model(str(path), Home(tmp_path), None) as found,
        pytest.raises(ModelFileError, match="the file has 2 class names, but the model has 3 outputs"),
    ):
        found.named(3)


def test_an_image_is_read_as_in_training_from_a_file_and_from_a_stream(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(noise).save(tmp_path / "photo.jpg", exif=exif)
    trained = read_image(tmp_path / "photo.jpg", 1, 32)

    for source in (tmp_path / "photo.jpg", io.BytesIO((tmp_path / "photo.jpg").read_bytes())):
        read = read_source("photo.jpg", source, (32, 32, 1))
        assert isinstance(read, ReadImage)
        np.testing.assert_array_equal(read.pixels, trained)


def test_images_are_resized_to_the_shape_of_a_model_that_is_not_square(tmp_path: Path) -> None:
    Image.new("RGB", (50, 70), (10, 20, 30)).save(tmp_path / "a.png")
    read = read_source("a.png", tmp_path / "a.png", (12, 20, 3))

    assert isinstance(read, ReadImage)
    assert read.pixels.shape == (12, 20, 3)
    assert read.pixels[0, 0].tolist() == [10, 20, 30]


def test_a_file_that_is_not_an_image_is_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")

    assert read_source("a.png", tmp_path / "a.png", (8, 8, 1)) == UnreadImage(
        "a.png", f"cannot identify image file '{tmp_path / 'a.png'}'"
    )
    assert read_source("b.png", tmp_path / "b.png", (8, 8, 1)) == UnreadImage("b.png", "No such file or directory")


def test_a_folder_means_all_images_below_it_and_an_empty_one_is_an_error(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "inner/c.webp", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = [Path(name).name for name, _ in _sources([str(tmp_path)])]
    assert found == ["a.JPG", "b.png", "c.webp"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="the folder has no image"):
        list(_sources([str(tmp_path / "none")]))


def test_a_hyphen_reads_the_image_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (20, 20), 77).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        ((name, source),) = _sources(["-"])
    read = read_source(name, source, (8, 8, 1))

    assert isinstance(read, ReadImage)
    assert (read.name, int(read.pixels.min()), int(read.pixels.max())) == ("standard input", 77, 77)


def test_the_error_names_the_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("tf2onnx", "ai_edge_litert") else name
    )

    check_packages(["keras", "saved-model"])
    with pytest.raises(UserError) as caught:
        check_packages(["tflite", "onnx"])
    assert str(caught.value) == (
        "tflite needs ai-edge-litert; onnx needs tf2onnx, which is missing. Install with: pip install -e '.[export]'"
    )
