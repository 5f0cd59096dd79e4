"""Tampered model files are refused before any of their code runs."""

from __future__ import annotations

import json
import pickle
import re
import stat
import zipfile
from pathlib import Path

import pytest

from sweep.errors import ModelFileError
from sweep.records.keras_archive import ModelFacts, check_archive, embed_facts, input_shape, read_facts
from sweep.space.config import DataConfig
from tests.inference.files import layer, write_model

LAMBDA = layer("Lambda", {"function": {"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}})
FACTS = ModelFacts("demo", 7, ("cat", "dog"), (8, 8, 1), DataConfig(name="digits"), "d" * 64)


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


def refusal(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(ModelFileError) as caught:
        check_archive(path)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_model_of_keras_layers_is_accepted_and_has_an_input_shape(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras", layer("Flatten", {}))

    check_archive(path)
    assert input_shape(path) == (8, 8, 1)


def test_a_lambda_layer_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras", LAMBDA)

    assert (
        refusal(path) == f"{path}: refused, its code was not run: it holds a Lambda layer, which runs code of the file"
    )


@pytest.mark.parametrize(
    ("tampered", "message"),
    [
        (layer("TorchModuleWrapper", {}), "holds a TorchModuleWrapper layer, which holds a pickle"),
        (layer("TFSMLayer", {"filepath": "/tmp/x"}), "which runs another saved model"),
        (layer("StringLookup", {"vocabulary": "/etc/passwd"}), "which may read files of this machine"),
        (layer("get_file", {}, "keras.utils"), "holds get_file of keras.utils, which is not one of Keras's layers"),
        (layer("system", {}, "os"), "holds system of os"),
        (layer("Mine", {}, None, registered_name="Package>Mine"), "holds Mine {}"),
        (layer("function", {}, "builtins"), "holds function of builtins"),
        (
            layer("Dense", {"activation": {"class_name": "__lambda__", "config": {}}}),
            "'__lambda__', which stands for code",
        ),
    ],
)
def test_other_objects_than_layers_are_refused(tmp_path: Path, tampered: dict[str, object], message: str) -> None:
    assert message in refusal(write_model(tmp_path / "model.keras", tampered))


def test_a_pickle_is_refused_and_not_opened(tmp_path: Path) -> None:
    mark, path = tmp_path / "ran", tmp_path / "model.keras"
    path.write_bytes(pickle.dumps(Evil(mark)))

    assert "this is a pickle, which runs code when it is opened; expected a .keras file" in refusal(path)
    assert not mark.exists()


def test_a_pickle_inside_the_archive_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras", entries={"assets/data.pkl": pickle.dumps(1)})

    assert "it holds 'assets/data.pkl'; expected only config.json, metadata.json, model.weights.h5" in refusal(path)


@pytest.mark.parametrize("name", ["../../evil.py", "/etc/cron.d/evil", "..\\evil.py", "C:/evil.py"])
def test_a_path_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = write_model(tmp_path / "model.keras", entries={name: b"import os"})

    assert "leads out of the archive" in refusal(path)


def test_a_link_in_the_archive_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras")
    link = zipfile.ZipInfo("sweep.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")

    assert "'sweep.json' is a link to another file" in refusal(path)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sweep.json", bytes(200 * 2**20))
    assert path.stat().st_size < 2**20

    assert re.search(r"'sweep.json' grows from 20\d,\d{3} to 209,715,200 bytes", refusal(path))


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("config.json", json.dumps(LAMBDA))

    assert "two of its entries have the same name" in refusal(path)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras", link="/etc/passwd")

    assert "'/layers/output/vars/1' are in another file" in refusal(path)


def test_damaged_and_foreign_files_are_distinguished(tmp_path: Path) -> None:
    good = write_model(tmp_path / "good.keras")
    (tmp_path / "half.keras").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    (tmp_path / "old.keras").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "text.keras").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "{}")

    assert "this is not a .keras file" in refusal(tmp_path / "half.keras")
    assert "this is an HDF5 file; expected a .keras file" in refusal(tmp_path / "old.keras")
    assert "this is not a .keras file" in refusal(tmp_path / "text.keras")
    assert "it has no metadata.json" in refusal(tmp_path / "other.keras")
    assert "No such file" in refusal(tmp_path / "none.keras")


def test_a_flipped_bit_in_the_configuration_is_damage(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras")
    content = bytearray(path.read_bytes())
    place = content.index(b'"softmax"') + 3
    content[place] ^= 1
    path.write_bytes(bytes(content))

    assert "the model file is damaged" in refusal(path)


def test_the_facts_travel_inside_the_file(tmp_path: Path) -> None:
    source, target = write_model(tmp_path / "raw.keras"), tmp_path / "model.keras"
    embed_facts(source, target, FACTS)

    check_archive(target)
    assert read_facts(target) == FACTS
    assert read_facts(source) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "raw.keras"]


def test_damaged_facts_are_a_model_file_error(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras", entries={"sweep.json": b'{"study": 3}'})

    with pytest.raises(
        ModelFileError, match=r"sweep\.json: not facts of a model: study: Input should be a valid string"
    ):
        read_facts(path)
