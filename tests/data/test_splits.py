from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.data.loading import Split, load, load_split
from sweep.data.preparation import prepare
from sweep.data.splits import check_classes, choose, choose_groups, groups_of, hold_out
from sweep.errors import DataError
from sweep.space.config import DataConfig

Draw = Callable[..., Path]
LABELS = np.repeat([0, 1, 2], [60, 30, 10])
CLASSES = ("cat", "dog", "owl")


def test_a_choice_keeps_the_shares_of_the_classes() -> None:
    chosen = choose(LABELS, 20, seed=0)
    assert np.bincount(LABELS[chosen]).tolist() == [12, 6, 2]


@pytest.mark.parametrize("count", [7, 23, 50, 98, 99])
def test_a_choice_has_exactly_the_requested_size(count: int) -> None:
    chosen = choose(LABELS, count, seed=0)
    assert len(set(chosen.tolist())) == count
    assert chosen.tolist() == sorted(chosen.tolist())


@pytest.mark.parametrize("count", [100, 5000])
def test_a_choice_of_all_or_more_is_all(count: int) -> None:
    assert choose(LABELS, count, seed=0).tolist() == list(range(100))


def test_a_choice_follows_its_seed() -> None:
    assert choose(LABELS, 20, seed=1).tolist() == choose(LABELS, 20, seed=1).tolist()
    assert choose(LABELS, 20, seed=1).tolist() != choose(LABELS, 20, seed=2).tolist()


def test_a_choice_never_changes() -> None:
    assert choose(LABELS, 10, seed=0).tolist() == [2, 11, 26, 28, 35, 59, 71, 72, 85, 97]


def test_holding_out_is_stratified_and_loses_nothing() -> None:
    kept, held = hold_out(LABELS, CLASSES, "validation", 0.2, seed=0)
    assert np.bincount(LABELS[kept]).tolist() == [48, 24, 8]
    assert np.bincount(LABELS[held]).tolist() == [12, 6, 2]
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(100))
    assert kept.tolist() == sorted(kept.tolist())
    assert held.tolist() == sorted(held.tolist())


def test_holding_out_never_changes() -> None:
    _, held = hold_out(LABELS, CLASSES, "validation", 0.1, seed=0)
    assert held.tolist() == [0, 3, 44, 47, 53, 55, 64, 65, 81, 94]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 1, 1, 2], "every class needs at least 2 images, but `owl` has 1"),
        ([0, 0, 1, 1], "but `owl` has 0"),
        ([0] * 6 + [1] * 6 + [2] * 6, r"`validation: 0\.1` holds out 2 of 18 images, with 3 classes"),
        ([0] * 60 + [1] * 60 + [2] * 2, r"`validation: 0\.1` holds out no image of `owl`; .* raise `limit`"),
    ],
)
def test_a_class_too_small_to_split_is_named(labels: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        hold_out(np.array(labels), CLASSES, "validation", 0.1, seed=0)


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataError, match=r"training set: a classifier needs at least 2 classes, received only cat"):
        check_classes(np.zeros(9, dtype=np.int64), ("cat",), "training set")


def test_of_many_small_classes_the_first_are_listed() -> None:
    with pytest.raises(DataError, match="`0` has 1, `1` has 1, `2` has 1, `3` has 1, `4` has 1 and 3 more"):
        check_classes(np.arange(8), tuple("01234567"), "training set")


PATHS = ("p1_a.png", "p1_b.png", "p2_a.png", "p3/a.png")


@pytest.mark.parametrize(
    ("pattern", "groups"),
    [
        (r"^(p\d)", [0, 0, 1, 2]),  # the first group in parentheses
        (r"^p\d", [0, 0, 1, 2]),  # no parentheses: the whole match
        (r"([ab])\.png", [0, 1, 0, 0]),
    ],
)
def test_images_whose_paths_have_the_same_part_are_one_group(pattern: str, groups: list[int]) -> None:
    assert groups_of(PATHS, pattern, "pets").tolist() == groups


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(p", r"data: pets: `group_by: \(p` is not a regular expression: missing \), .* Python's syntax"),
        ("x", r"`group_by: x` matches none of 4 paths; it does not match, for example, `p1_a\.png`"),
        (r"^(p\d)_", r"only 3 of 4 paths; it does not match, for example, `p3/a\.png`\. .* every image must belong"),
        ("p", r"puts the 4 images all into one group, for example `p1_a\.png` into `p`"),
        (".*", r"puts the 4 images each into a separate group, for example `p1_a\.png` into `p1_a\.png`"),
    ],
)
def test_a_useless_pattern_is_an_error_with_an_example(pattern: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        groups_of(PATHS, pattern, "pets")


def test_images_that_are_not_files_have_no_groups(cache: Path) -> None:
    with pytest.raises(
        DataError, match="`group_by: a` is searched in the paths of image files, but these images are not files"
    ):
        prepare(DataConfig(name="digits", group_by="a"), cache)


def test_no_group_is_on_both_sides_and_every_class_has_about_its_share() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 120, 2000)
    labels = (groups % 3 + (random.random(2000) < 0.2)) % 3
    kept, held = hold_out(labels, ("a", "b", "c"), "validation", 0.2, seed=1, groups=groups)
    assert set(groups[kept]) & set(groups[held]) == set()
    assert sorted([*kept.tolist(), *held.tolist()]) == list(range(2000))
    shares = np.bincount(labels[held]) / np.bincount(labels)
    assert shares == pytest.approx([0.2, 0.2, 0.2], abs=0.01)


def test_the_choice_of_groups_never_changes() -> None:
    groups = np.repeat(np.arange(10), 3)
    labels = np.repeat([0, 1], 15)
    chosen = choose_groups(labels, groups, 0.2, seed=0)
    assert sorted(set(groups[chosen].tolist())) == [2, 8]
    assert sorted(set(groups[choose_groups(labels, groups, 0.2, seed=1)].tolist())) == [2, 9]


def test_a_class_with_only_large_groups_still_gets_one() -> None:
    groups = np.array([0] * 50 + [1] * 50 + [2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    labels = np.array([0] * 100 + [1] * 10)
    _, held = hold_out(labels, ("a", "b"), "validation", 0.1, seed=0, groups=groups)
    assert np.bincount(labels[held]).tolist() == [50, 1]


def test_a_class_with_one_group_cannot_be_split() -> None:
    groups, labels = np.array([0, 0, 0, 1, 2, 3]), np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(DataError, match=r"`validation: 0\.3` with `group_by`: no split of the 4 .* of `a` on both"):
        hold_out(labels, ("a", "b"), "validation", 0.3, seed=0, groups=groups)


@pytest.fixture
def patients(tmp_path: Path, draw: Draw) -> Path:
    """Two classes of twelve patients with three images each; a patient's images are of one shade."""
    root = tmp_path / "patients"
    for label, name in enumerate(("ill", "well")):
        for patient in range(12):
            for number in range(3):
                draw(root / name / f"p{patient:02}_{number}.png", 100 * label + patient)
    return root


def test_patients_are_in_one_of_training_validation_and_test(patients: Path, cache: Path) -> None:
    config = DataConfig(name=str(patients), group_by=r"^(p\d+)_", validation=0.25, test=0.25)
    prepared = prepare(config, cache)
    dataset = load(prepared, config)
    sealed = np.load(Path(prepared.folder) / "test_images.npy")
    shades = [set((part[:, 0, 0, 0] % 100).tolist()) for part in (
        dataset.train.all_images(), dataset.validation.all_images(), sealed
    )]  # fmt: skip
    assert [len(found) for found in shades] == [7, 2, 3]
    assert set.union(*shades) == set(range(12))
    assert dataset.stamp.split != load(prepared, DataConfig(name=str(patients), validation=0.25)).stamp.split


@pytest.mark.parametrize("split", [Split(5), Split(5, folds=3, fold=1)], ids=["fresh", "fold"])
def test_patients_stay_on_one_side_in_another_split(patients: Path, cache: Path, split: Split) -> None:
    config = DataConfig(name=str(patients), group_by=r"^(p\d+)_", validation=0.25, test=0.25)
    dataset = load_split(prepare(config, cache), config, split)
    shades = [set((part.all_images()[:, 0, 0, 0] % 100).tolist()) for part in (dataset.train, dataset.validation)]
    assert shades[0] & shades[1] == set()
    assert len(shades[0] | shades[1]) == 9
    assert min(len(found) for found in shades) >= 2


def test_more_folds_than_groups_of_a_class_are_refused(patients: Path, cache: Path) -> None:
    config = DataConfig(name=str(patients), group_by=r"^(p\d+)_", validation=0.25, test=0.25)
    with pytest.raises(DataError, match=r"10 folds need 10 groups of every class, but `ill` has 9; use fewer folds"):
        load_split(prepare(config, cache), config, Split(0, folds=10))


def test_without_groups_patients_are_on_several_sides(patients: Path, cache: Path) -> None:
    config = DataConfig(name=str(patients), validation=0.25, test=0.25)
    dataset = load(prepare(config, cache), config)
    shades = [set(part.all_images()[:, 0, 0, 0].tolist()) for part in (dataset.train, dataset.validation)]
    assert shades[0] & shades[1] != set()


def test_another_pattern_decodes_nothing_again_if_the_test_part_is_given(parted_folder: Path, cache: Path) -> None:
    plain = prepare(DataConfig(name=str(parted_folder)), cache)
    config = DataConfig(name=str(parted_folder), group_by=r"^\d", validation=0.5)
    assert prepare(config, cache) == plain
    dataset = load(plain, config)
    numbers = [{int(position) % 4 for position in part.index} for part in (dataset.train, dataset.validation)]
    assert [len(found) for found in numbers] == [2, 2]
    assert numbers[0] & numbers[1] == set()


def test_a_pattern_without_a_match_is_refused_before_anything_is_decoded(flat_folder: Path, cache: Path) -> None:
    calls: list[tuple[int, int]] = []
    with pytest.raises(DataError, match=r"matches none of 20 paths; it does not match, for example, `0\.png`"):
        prepare(DataConfig(name=str(flat_folder), group_by="cat"), cache, lambda *done: calls.append(done))
    assert calls == []
