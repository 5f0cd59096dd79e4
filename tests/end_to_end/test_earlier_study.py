"""A study of an earlier version can be continued, and its trials are reproduced.

`earlier/` holds the files of a `sweep run` of version 0.1.0 with a space like `small.yaml`, a cosine schedule and
mirrored images: its database as SQL, its space, its id and its trials' records.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import keras
import pytest

from sweep.models.build import build, compile_model
from sweep.models.model_digest import model_digest
from sweep.records.image_facts import ImageFacts
from sweep.records.seeds import Purpose, derive
from sweep.records.trial_record import TrialRecord, read_record
from tests.end_to_end.conftest import records, sweep

EARLIER = Path(__file__).with_name("earlier")
pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the study `cosine`, which has four trials."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "studies" / "cosine"
    shutil.copytree(EARLIER, folder)
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.executescript((folder / "study.sql").read_text(encoding="utf-8"))
    return home


def record(number: int) -> TrialRecord:
    return read_record(EARLIER / "trials" / f"{number:04d}")


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_equal_models_are_still_recognised_by_their_digests(number: int) -> None:
    before = record(number)
    if before.environment["version.keras"] != keras.__version__:
        pytest.skip("another version of Keras may describe the same model differently")
    shape, classes = before.data.shape, len(before.data.classes)
    facts = ImageFacts(shape, classes, (0.5,) * shape[2], (0.25,) * shape[2])
    model = build(before.config, facts, derive(before.config.seed, Purpose.WEIGHTS))
    compile_model(model, before.config, before.data.train // before.config.training.batch_size)
    assert model_digest(model, before.config) == before.model_digest


def test_each_trial_is_reproduced(earlier: Path) -> None:
    """Bit by bit on the machine that made it; elsewhere, processors with the same name may compute differently."""
    for number in range(4):
        words = ("--study", "cosine", "--trial", str(number), "--tolerance", "0.05", "--json")
        done = sweep("reproduce", *words, home=earlier)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_study_continues_with_its_numbers(earlier: Path) -> None:
    space = str(earlier / "studies" / "cosine" / "space.yaml")
    done = sweep("run", "--space", space, "--trials", "5", "--json", home=earlier)
    assert done.returncode == 0, done.stderr
    assert [found["number"] for found in records(earlier, "cosine")] == [0, 1, 2, 3, 4]
    assert [found["weights_digest"] for found in records(earlier, "cosine")][:4] == [
        record(number).weights_digest for number in range(4)
    ]
    assert records(earlier, "cosine")[4]["data"] == records(earlier, "cosine")[0]["data"]
