"""From a finished sweep to a model in use: finalize, predict, export. One finalized study for all tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from sklearn.datasets import load_digits

from sweep.commands.model_references import find_model
from sweep.errors import TrackingError
from sweep.records.home import Home
from sweep.records.keras_archive import read_facts
from sweep.records.trial_record import read_record
from tests.end_to_end.conftest import ROUNDS, environment, records, sweep
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits as users may have them: large, in colour, rotated; and a file that is not an image."""
    folder = tmp_path_factory.mktemp("photos")
    digits = load_digits()
    for digit in (0, 1, 2):
        pixels = np.rint(digits.images[digit] * 255 / 16).astype(np.uint8)
        Image.fromarray(pixels).resize((80, 80), Image.Resampling.NEAREST).convert("RGB").save(folder / f"{digit}.png")
        Image.fromarray(pixels).resize((40, 40), Image.Resampling.NEAREST).save(folder / f"{digit}.webp", lossless=True)
    turned = Image.fromarray(np.rot90(np.rint(digits.images[0] * 255 / 16).astype(np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    turned.resize((160, 160), Image.Resampling.NEAREST).save(folder / "turned.jpg", quality=95, exif=exif)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def test_finalize_repeats_the_best_and_says_how_sure_it_is(home: Path, finalized: dict[str, Any]) -> None:
    ranking = sorted((r for r in records(home) if r["state"] == "complete"), key=lambda r: -r["objective_value"])
    trials = {finalist["trial"] for finalist in finalized["finalists"]}

    assert {ranking[0]["number"], ranking[1]["number"]} <= trials
    assert finalized["verdict"] in ("separated", "tie")
    assert finalized["winner"] in finalized["tied"]
    for finalist in finalized["finalists"]:
        assert len(finalist["scores"]) == ROUNDS
        assert finalist["mean"] == pytest.approx(sum(finalist["scores"]) / ROUNDS)
    assert sum(finalist["best_share"] for finalist in finalized["finalists"]) == pytest.approx(1.0)


def test_every_repeat_of_a_round_has_the_same_seed_and_split(home: Path, finalized: dict[str, Any]) -> None:
    repeats = home / "studies/small/final/repeats/splits"
    seen = {}
    for number in range(1, ROUNDS + 1):
        found = [read_record(repeats / f"{f['trial']:04d}" / f"{number:02d}") for f in finalized["finalists"]]
        assert len({(record.config.seed, record.data.split) for record in found}) == 1
        seen[number] = (found[0].config.seed, found[0].data.split)
    assert len(set(seen.values())) == ROUNDS


def test_the_winner_is_trained_on_all_images_of_the_search_and_tested_on_the_others(
    finalized: dict[str, Any],
) -> None:
    trained, test = finalized["trained"], finalized["test"]

    assert trained["images"] == trained["data"]["train"] == 400
    assert trained["data"]["validation"] == 0
    assert len(trained["learning_rates"]) == trained["config"]["training"]["epochs"]
    assert test["images"] == 180
    assert test["correct"] == sum(one["correct"] for one in test["classes"])
    assert test["low"] < test["accuracy"] < test["high"]
    assert sum(sum(row) for row in test["confusion"]) == 180
    assert sum(one["images"] for one in test["bins"]) == 180
    winner = next(f for f in finalized["finalists"] if f["trial"] == finalized["winner"])
    assert test["search_gap"] == pytest.approx(winner["search_score"] - test["accuracy"])


def test_everything_is_in_the_study_and_the_opening_is_recorded(home: Path, finalized: dict[str, Any]) -> None:
    folder = home / "studies/small"

    assert finalized["openings"] == 1
    (line,) = (folder / "test_openings.jsonl").read_text().splitlines()
    assert json.loads(line)["weights_digest"] == finalized["trained"]["weights_digest"]
    names = {path.relative_to(folder / "final").as_posix() for path in (folder / "final").rglob("*") if path.is_file()}
    pictures = {"pictures/finalists.png", "pictures/confusion.png", "pictures/reliability.png", "pictures/errors.png"}
    assert {"final.json", "model.keras", "final.html", "model_card.md", "test.npz", *pictures} <= names
    facts = read_facts(folder / "final/model.keras")
    assert facts is not None
    assert facts.classes == tuple("0123456789")
    page = (folder / "final/final.html").read_text()
    assert "The test set was opened once" in page
    assert "data:image/png;base64," in page


def test_the_model_is_registered_as_champion_with_card_signature_and_example(
    home: Path, finalized: dict[str, Any]
) -> None:
    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    version = client.get_model_version_by_alias("small", "champion")

    assert finalized["registered"]["version"] == str(version.version) == "1"
    assert version.description is not None
    assert "## Limits" in version.description
    run = client.get_run(version.run_id or "")
    assert run.data.metrics["test_accuracy"] == finalized["test"]["accuracy"]
    assert run.data.tags["sweep.kind"] == "final"
    assert run.outputs is not None
    logged = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    folder = Path(logged.artifact_location.removeprefix("file://"))
    model = (folder / "MLmodel").read_text()
    assert "tensor-spec" in model
    assert "input_example.json" in model
    assert json.loads((folder / "input_example.json").read_text())
    assert (folder / "model_card.md").read_text() == (home / "studies/small/final/model_card.md").read_text()


def test_the_same_command_again_opens_nothing(home: Path, finalized: dict[str, Any]) -> None:
    done = sweep("finalize", "--study", "small", "--top", "2", "--max-repeats", str(ROUNDS), home=home)

    assert done.returncode == 0, done.stderr
    assert "the test set stays closed" in done.stdout
    assert f"test accuracy {finalized['test']['accuracy']:.4f}" in done.stdout
    assert len((home / "studies/small/test_openings.jsonl").read_text().splitlines()) == 1
    assert "models:/small@champion (version 1)" in done.stdout


@pytest.mark.usefixtures("finalized")
def test_a_budget_without_time_for_a_pass_opens_nothing(home: Path) -> None:
    done = sweep("finalize", "--study", "small", "--folds", "5", "--budget", "31s", home=home)

    assert done.returncode == 3
    assert "leaves no time for a pass over the folds in addition to the final training" in done.stderr
    assert "or accept the best trial of the search with --max-repeats 0" in done.stderr
    assert len((home / "studies/small/test_openings.jsonl").read_text().splitlines()) == 1


@pytest.mark.usefixtures("finalized")
def test_predict_reads_any_size_and_colour_and_names_what_it_cannot(home: Path, photos: Path, tmp_path: Path) -> None:
    grid = tmp_path / "grid.png"
    done = sweep("predict", "--model", "small", str(photos), "--json", "--grid", str(grid), home=home)

    assert done.returncode == 1
    output = json.loads(done.stdout)
    classes = {Path(p["image"]).name: p["class"] for p in output["predictions"]}
    assert [Path(name).name for name in classes] == [
        "0.png",
        "0.webp",
        "1.png",
        "1.webp",
        "2.png",
        "2.webp",
        "turned.jpg",
    ]
    for digit in (0, 1, 2):
        assert classes[f"{digit}.png"] == classes[f"{digit}.webp"]
    assert classes["turned.jpg"] == classes["0.png"] == "0"
    assert [(Path(one["image"]).name, "cannot identify" in one["reason"]) for one in output["unread"]] == [
        ("broken.png", True)
    ]
    assert "broken.png: could not be read: cannot identify image file" in done.stderr
    for one in output["predictions"]:
        assert len(one["top"]) == 3
        assert one["top"][0]["probability"] == one["probability"] >= one["top"][1]["probability"]
    with Image.open(grid) as picture:
        assert picture.format == "PNG"
        assert picture.width > 600


@pytest.mark.usefixtures("finalized")
def test_every_way_to_name_the_model_finds_the_same_file_with_its_classes(home: Path) -> None:
    store = f"sqlite:///{home}/mlflow/mlflow.db"
    client = MlflowClient(store)
    version = client.get_model_version_by_alias("small", "champion")
    outputs = client.get_run(version.run_id or "").outputs
    assert outputs is not None
    path = home / "studies/small/final/model.keras"
    references = (
        "small",
        str(path),
        "models:/small@champion",
        "models:/small/1",
        f"models:/{outputs.model_outputs[0].model_id}",
    )
    for reference in (*references, f"runs:/{version.run_id}/small-final"):
        with find_model(reference, Home(home), store) as found:
            assert found.path.read_bytes() == path.read_bytes(), reference
            assert found.classes == tuple("0123456789")
    for reference in ("models:/small@missing", "models:/small/9", "models:/other/1", "runs:/0123/model"):
        with pytest.raises(TrackingError, match=r"cannot be downloaded"), find_model(reference, Home(home), store):
            pass
    with (
        pytest.raises(TrackingError, match=r"expected models:/NAME@ALIAS"),
        find_model("models:/a/b", Home(home), store),
    ):
        pass


@pytest.mark.usefixtures("finalized")
def test_an_image_can_come_through_a_pipe(home: Path, photos: Path) -> None:
    piped = subprocess.run(
        [sys.executable, "-m", "sweep.predict", "--model", "small", "--json", "--home", str(home), "-"],
        input=(photos / "1.png").read_bytes(),
        capture_output=True,
        env=environment(),
        timeout=2 * PATIENCE,
        check=True,
    )
    (prediction,) = json.loads(piped.stdout)["predictions"]
    assert prediction["image"] == "standard input"
    assert prediction["class"] in "0123456789"


@pytest.mark.usefixtures("finalized")
def test_all_five_exports_agree_with_the_keras_model(home: Path, tmp_path: Path) -> None:
    done = sweep("export", "--model", "small", "--format", "all", "--out", str(tmp_path), "--json", home=home)

    assert done.returncode == 0, done.stdout + done.stderr
    output = json.loads(done.stdout)
    formats = {one["format"]: one for one in output["formats"]}
    assert list(formats) == ["keras", "saved-model", "tflite", "tflite-int8", "onnx"]
    for kind in ("keras", "saved-model", "tflite", "onnx"):
        assert formats[kind]["agreement"] >= 0.995
        assert formats[kind]["difference"] < 1e-4
    assert formats["tflite-int8"]["agreement"] >= 0.97
    assert formats["tflite-int8"]["bytes"] < formats["tflite"]["bytes"]
    for one in formats.values():
        assert one["images"] == 80
        assert 0 < one["single"]["median"] <= one["single"]["p95"]
        assert 0 < one["batch"]["median"] <= one["batch"]["p95"]
    assert (tmp_path / "labels.txt").read_text().split() == list("0123456789")
    assert (tmp_path / "saved_model/saved_model.pb").is_file()
