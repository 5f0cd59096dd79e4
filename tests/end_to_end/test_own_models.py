"""The user's own models: three trials each on digits, and each reproduced bit by bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from tests.end_to_end.conftest import records, sweep

HYPERMODELS = Path(__file__).parents[1] / "models" / "hypermodels"
BUILDERS = Path(__file__).parents[1] / "models" / "builders"
DATA = "data: {name: digits, limit: 60, validation: 0.25}\n"


def search(home: Path, text: str, source: Path | None = None, trials: int = 3) -> list[dict[str, Any]]:
    """Run a sweep with a space file next to the source and return the trials' records."""
    home.mkdir(exist_ok=True)
    if source is not None:
        shutil.copy(source, home / source.name)
    (home / "space.yaml").write_text(f"study: small\n{text}search: {{sampler: random}}\n")
    done = sweep("run", "--space", str(home / "space.yaml"), "--trials", str(trials), "--json", home=home)
    assert done.returncode == 0, done.stderr + done.stdout
    return records(home)


def reproduced(home: Path, number: int) -> str:
    done = sweep("reproduce", "--study", "small", "--trial", str(number), "--json", home=home)
    assert done.returncode == 0, done.stderr + done.stdout
    verdict: str = json.loads(done.stdout)["verdict"]
    return verdict


def assert_three_exact(home: Path, found: list[dict[str, Any]], numbers: tuple[int, ...] = (0, 1, 2)) -> None:
    assert [record["state"] for record in found] == ["complete"] * 3, [record["message"] for record in found]
    assert [reproduced(home, number) for number in numbers] == ["EXACT"] * len(numbers)


@pytest.fixture(scope="module")
def builder_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with the user's own builder."""
    home = tmp_path_factory.mktemp("builder")
    text = f"{DATA}model: {{builder: 'mine:layers', units: [4, 8]}}\ntraining: {{epochs: 1}}\n"
    search(home, text, BUILDERS / "mine.py", trials=2)
    return home


@pytest.mark.long
@pytest.mark.slow
def test_a_builder_of_the_users_own_is_searched_and_reproduced(builder_home: Path) -> None:
    found = records(builder_home)

    assert [record["state"] for record in found] == ["complete", "complete"]
    assert found[0]["config"]["model"]["builder"] == "mine:layers"
    assert found[0]["config"]["model"]["units"] in (4, 8)
    assert found[0]["config"]["model"]["folder"] == str(builder_home)
    assert reproduced(builder_home, 1) == "EXACT"


@pytest.mark.long
@pytest.mark.slow
def test_reproduce_says_that_the_source_has_changed(builder_home: Path) -> None:
    source = builder_home / "mine.py"
    before = source.read_text()
    source.write_text(before + "# edited\n")
    done = sweep("reproduce", "--study", "small", "--trial", "0", home=builder_home)
    source.write_text(before)

    assert done.returncode == 2
    assert "the source of the model has changed since trial 0 was trained" in done.stderr
    assert "mine.py has changed" in done.stderr


@pytest.mark.slow
def test_check_reports_an_import_that_fails_with_the_users_own_traceback(tmp_path: Path) -> None:
    shutil.copy(BUILDERS / "failing.py", tmp_path)
    (tmp_path / "s.yaml").write_text(f"{DATA}model: {{builder: 'failing:build'}}\n")
    done = sweep("check", str(tmp_path / "s.yaml"), home=tmp_path)

    assert done.returncode == 2
    assert "failing:build cannot be imported:" in done.stderr
    assert "import no_such_package_anywhere" in done.stderr
    assert "user_code.py" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["build_layers", "Conditional", "TunesFit", "OwnLoop"])
def test_a_hypermodel_in_the_style_of_kerastuners_guides_is_reproduced(name: str, tmp_path: Path) -> None:
    training = "" if name == "OwnLoop" else "training: {epochs: 2}\n"
    found = search(tmp_path, f"{DATA}model: {{hypermodel: 'guides:{name}'}}\n{training}", HYPERMODELS / "guides.py")

    assert found[0]["origin"] == "the hypermodel's defaults"
    assert_three_exact(tmp_path, found)


APPLICATIONS = """
import keras, keras_tuner
from keras_tuner.applications import HyperImageAugment

def augmented(hp):
    inputs = keras.Input((8, 8, 1))
    hidden = HyperImageAugment(input_shape=(8, 8, 1), augment_layers=2).build(hp)(inputs)
    hidden = keras.layers.Dense(10, activation="softmax")(keras.layers.Flatten()(hidden))
    model = keras.Model(inputs, hidden)
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model
"""
SMALL = {
    "HyperResNet": "{conv3_depth: 4, conv4_depth: 6}",
    "HyperXception": "{sep_num_filters: 128, num_residual_blocks: 2, conv2d_num_filters: 32}",
}


@pytest.mark.long
@pytest.mark.parametrize("name", ["HyperResNet", "HyperXception"])
def test_an_application_of_kerastuner_is_reproduced(name: str, tmp_path: Path) -> None:
    model = f"model: {{hypermodel: 'keras_tuner.applications:{name}', hyperparameters: {SMALL[name]}}}\n"
    found = search(tmp_path, f"{DATA}{model}training: {{epochs: 1}}\n")

    assert_three_exact(tmp_path, found, numbers=(1,))


@pytest.mark.long
def test_hyper_image_augment_in_front_of_a_network_is_reproduced(tmp_path: Path) -> None:
    (tmp_path / "apps.py").write_text(APPLICATIONS)
    found = search(tmp_path, f"{DATA}model: {{hypermodel: 'apps:augmented'}}\ntraining: {{epochs: 2}}\n")

    assert_three_exact(tmp_path, found)


NO_HASHES = """
from keras.src.applications import efficientnet
from keras_tuner.applications import HyperEfficientNet

efficientnet.WEIGHTS_HASHES["b0"] = (None, None)  # the test's weights are not ImageNet's
"""
EFFICIENT = (
    "data: {name: digits, limit: 40, validation: 0.25, channels: rgb}\n"
    "model: {hypermodel: 'apps:HyperEfficientNet', hyperparameters: {version: B0}}\n"
    "training: {epochs: 1}\n"
)


@pytest.mark.long
def test_hyper_efficient_net_says_where_its_weights_go_and_then_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network, wherever this runs
    (tmp_path / "apps.py").write_text(NO_HASHES)
    (tmp_path / "space.yaml").write_text(EFFICIENT)
    done = sweep("check", str(tmp_path / "space.yaml"), home=tmp_path)
    wanted = tmp_path / "keras" / "models" / "efficientnetb0_notop.h5"
    assert done.returncode == 2
    assert f"needs the weights file {wanted.name}, which is missing and cannot be fetched: put it at {wanted}" in (
        done.stderr.replace("\n", " ")
    )

    write_weights(wanted)
    found = search(tmp_path, EFFICIENT)

    assert_three_exact(tmp_path, found, numbers=(0,))


def write_weights(path: Path) -> None:
    """Write a file in the format of the published ones, with random weights."""
    keras.utils.set_random_seed(0)
    model = keras.applications.EfficientNetB0(include_top=False, weights=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, model)
