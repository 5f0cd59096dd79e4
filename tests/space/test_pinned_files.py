from __future__ import annotations

from pathlib import Path

import pytest

from sweep.commands.prerequisites import pin_weights
from sweep.errors import WeightsError
from sweep.space.pinned_files import check_weights_file
from sweep.space.reader import Override, read_space, space_from_text
from sweep.space.writer import space_to_yaml

TEXT = "model: {builder: transfer, backbone: VGG16, weights: own.weights.h5}\n"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of an empty file."""


def test_a_weights_file_is_relative_to_the_space_file(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(TEXT)
    space = read_space(tmp_path / "space.yaml")

    assert space.template["model"]["weights"] == str(tmp_path / "own.weights.h5")


def test_a_weights_file_on_the_command_line_is_relative_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "space.yaml").write_text(TEXT)
    monkeypatch.chdir(tmp_path / "sub")
    space = read_space(tmp_path / "space.yaml", [Override("model.weights", "b.h5", "--set model.weights=b.h5")])

    assert space.template["model"]["weights"] == str(tmp_path / "sub" / "b.h5")


@pytest.mark.parametrize("word", ["imagenet", "none"])
def test_the_words_are_not_paths(word: str) -> None:
    space = space_from_text(f"model: {{builder: transfer, weights: {word}}}", "s.yaml")

    assert space.template["model"]["weights"] == word
    assert pin_weights(space) == space


def test_the_digest_of_the_file_becomes_part_of_the_space(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(TEXT)
    (tmp_path / "own.weights.h5").touch()

    pinned = pin_weights(read_space(tmp_path / "space.yaml"))

    assert pinned.template["model"]["weights_digest"] == EMPTY
    assert pin_weights(space_from_text(space_to_yaml(pinned), str(tmp_path / "again.yaml"))) == pinned


def test_a_missing_or_changed_file_or_one_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.weights.h5"
    with pytest.raises(WeightsError, match="there is no weights file"):
        check_weights_file(str(path), None)
    path.write_bytes(b"other")
    with pytest.raises(WeightsError, match="has changed since the sweep started"):
        check_weights_file(str(path), EMPTY)
    (tmp_path / "model.keras").touch()
    with pytest.raises(WeightsError, match=r"must end in \.h5 or \.weights\.h5"):
        check_weights_file(str(tmp_path / "model.keras"), None)
