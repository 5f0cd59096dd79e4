from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest

from sweep.errors import TrialFailure, WeightsError
from sweep.models.build import build, deployable
from sweep.models.transfer import make_backbone, preprocess
from sweep.records.image_facts import ImageFacts
from sweep.space.config import AugmentationConfig, DataConfig, TrainingConfig, TrialConfig
from sweep.space.model_sections import Backbone, TransferConfig
from sweep.space.pinned_files import file_digest
from sweep.training.model_probe import missing_weights

FACTS = ImageFacts((32, 32, 3), 4, (0.5,) * 3, (0.25,) * 3)
GREY = ImageFacts((8, 8, 1), 4, (0.5,), (0.25,))
VGG16 = TransferConfig(backbone="VGG16", weights="none")
MOBILE = TransferConfig(backbone="MobileNetV2", weights="none", dropout=0.2)
ONE_OF_EACH_KIND = [
    "ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionResNetV2", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "NASNetMobile", "ResNet50", "ResNet50V2", "VGG16", "VGG19",
    "Xception",
]  # fmt: skip


def trial(model: TransferConfig) -> TrialConfig:
    return TrialConfig(DataConfig(), model, TrainingConfig(), AugmentationConfig(), "val_accuracy")


def backbone_of(model: keras.Model) -> keras.Model:
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def pixels(shape: tuple[int, ...] = (2, 32, 32, 3)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_every_network_of_keras_applications_can_be_named() -> None:
    found = [name for name in dir(keras.applications) if name[0].isupper()]

    assert sorted(get_args(Backbone)) == sorted(found)


@pytest.mark.parametrize("name", ONE_OF_EACH_KIND)
def test_a_backbone_is_fed_with_what_its_own_preprocess_input_gives(name: str) -> None:
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, preprocess(name, inputs))
    images = pixels((2, 4, 4, 3)).astype(np.float32)
    module = getattr(keras.applications, getattr(keras.applications, name).__module__.rsplit(".", 1)[-1])

    assert np.allclose(model(images), module.preprocess_input(images.copy()), atol=1e-4)


def test_black_is_minus_the_mean_of_blue_first_for_vgg16() -> None:
    inputs = keras.Input((1, 1, 3))
    model = keras.Model(inputs, preprocess("VGG16", inputs))

    # The means of ImageNet in the order blue, green, red, as Caffe's models take them; a full red is the last channel.
    assert np.allclose(model(np.zeros((1, 1, 1, 3)))[0, 0, 0], [-103.939, -116.779, -123.68])
    assert np.allclose(model(np.array([[[[255.0, 0, 0]]]]))[0, 0, 0], [-103.939, -116.779, 131.32])


def test_grey_images_of_any_size_are_made_colour_and_resized_inside_the_model() -> None:
    model = build(trial(replace(MOBILE, input_size=32)), GREY, seed=0)

    assert model.input_shape == (None, 8, 8, 1)
    assert backbone_of(model).input_shape == (None, 32, 32, 3)


def test_the_backbone_s_weights_follow_from_the_seed_and_leave_other_generators_alone() -> None:
    state = random.getstate()
    first, again, other = (make_backbone(VGG16, (32, 32, 3), seed).get_weights() for seed in (1, 1, 2))

    assert random.getstate() == state
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize(("share", "trained"), [(0.0, 0), (0.23, 3), (0.5, 6), (1.0, 13)])
def test_the_last_share_of_the_layers_is_trained(share: float, trained: int) -> None:
    backbone = build(trial(replace(VGG16, trainable=share)), FACTS, seed=0).get_layer("vgg16")
    flags = [layer.trainable for layer in backbone.layers if layer.weights]

    assert flags == [False] * (13 - trained) + [True] * trained


def test_a_frozen_batch_normalization_keeps_its_statistics_while_training() -> None:
    model = build(trial(MOBILE), FACTS, seed=0)
    before = [weight.copy() for weight in backbone_of(model).get_weights()]

    model(pixels(), training=True)

    assert all(np.array_equal(a, b) for a, b in zip(before, backbone_of(model).get_weights(), strict=True))


def test_the_head_is_the_described_one() -> None:
    config = replace(VGG16, pooling="flatten", head="dense", dense_units=16, dropout=0.5)
    names = [layer.name for layer in build(trial(config), FACTS, seed=0).layers]

    assert names[-4:] == ["pooled", "head_dense", "head_dropout", "output"]


def test_the_deployable_model_is_the_same_function_and_loads_without_this_package(tmp_path: Path) -> None:
    config = trial(VGG16)
    model = build(config, FACTS, seed=3)

    deployable(model, config, FACTS).save(tmp_path / "model.keras")

    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    assert np.array_equal(loaded(pixels()), model(pixels()))


def test_a_size_that_the_backbone_does_not_take_is_infeasible() -> None:
    with pytest.raises(TrialFailure) as failure:
        build(trial(replace(VGG16, backbone="Xception")), FACTS, seed=0)

    assert failure.value.cause == "infeasible"
    assert failure.value.message.startswith("Xception does not take images of 32x32: ")
    assert "71x71" in failure.value.message


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a VGG16 without its top, as a user has them."""
    path = tmp_path_factory.mktemp("weights") / "own.weights.h5"
    keras.applications.VGG16(include_top=False, weights=None, input_shape=(48, 48, 3)).save_weights(path)
    return path


def test_weights_come_from_a_file_whatever_the_seed(weights_file: Path) -> None:
    config = replace(VGG16, weights=str(weights_file))

    one, two = (make_backbone(config, (32, 32, 3), seed).get_weights() for seed in (1, 2))

    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_a_weights_file_of_another_network_is_refused(weights_file: Path) -> None:
    config = replace(MOBILE, weights=str(weights_file))

    with pytest.raises(WeightsError, match=r"own\.weights\.h5 does not fit MobileNetV2 without its top"):
        make_backbone(config, (32, 32, 3), seed=0)


def test_a_weights_file_that_has_changed_or_is_gone_is_refused(weights_file: Path, tmp_path: Path) -> None:
    config = replace(VGG16, weights=str(weights_file), weights_digest="0" * 64)

    with pytest.raises(WeightsError, match="has changed since the sweep started"):
        make_backbone(config, (32, 32, 3), seed=0)
    with pytest.raises(WeightsError, match=r"there is no weights file .*gone\.h5"):
        make_backbone(replace(config, weights=str(tmp_path / "gone.h5")), (32, 32, 3), seed=0)
    assert len(file_digest(weights_file)) == 64


def test_imagenet_weights_that_cannot_be_fetched_are_told_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing listens there: no network is needed to find out, and none is used where there is one.
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path), raising=False)

    message = missing_weights([replace(VGG16, weights="imagenet")], (32, 32, 3))

    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    place = f"{tmp_path}/models/{name}"
    assert message.startswith(f"the ImageNet weights of VGG16 cannot be fetched: put the file at {place} ")
    assert f"/{name})" in message
    assert "`weights: none`" in message
