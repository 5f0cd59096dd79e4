"""Exported models: run in their own runtimes, timed, and compared with the Keras model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweep.data.cache import Prepared
from sweep.data.preparation import prepare
from sweep.errors import ModelFileError
from sweep.inference import tf_export_comparison
from sweep.inference.tf_converters import write_format
from sweep.inference.tf_export_comparison import RUNNERS, compare_exports, latencies, measured
from sweep.records.array_types import UInt8Array
from sweep.records.model_evaluation import Latency
from sweep.space.config import DataConfig
from tests.inference.models import bright_corner_model, image_with_light

DIGITS = DataConfig(name="digits", limit=300, validation=0.2)
NOTHING = Latency(0.0, 0.0)


class Clock:
    """A clock that only the timed calls advance."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.seconds

    def run(self, name: str, *seconds: float) -> Callable[[UInt8Array], np.ndarray]:
        """A runtime whose calls take these times in turn."""
        times = iter(seconds * 1000)

        def call(_: UInt8Array) -> np.ndarray:
            self.calls.append(name)
            self.seconds += next(times)
            return np.zeros((1, 2), np.float32)

        return call


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tf_export_comparison, "time", clock)
    return clock


def test_outputs_are_compared_with_the_keras_model_and_the_labels() -> None:
    expected = np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]], np.float32)
    outputs = np.array([[0.75, 0.25], [0.25, 0.75], [0.25, 0.75], [0.0, 1.0]], np.float32)

    found = measured(outputs, expected, np.array([0, 0, 0, 1]), NOTHING, Latency(1.0, 2.0))

    assert (found.difference, found.agreement, found.accuracy) == (0.5, 0.75, 0.5)
    assert (found.images, found.batch_size, found.single, found.batch) == (4, 32, NOTHING, Latency(1.0, 2.0))


def test_formats_are_timed_in_turns_after_a_warm_up(clock: Clock) -> None:
    latencies({"a": clock.run("a", 0.0), "b": clock.run("b", 0.0)}, image_with_light(0, 0))

    assert clock.calls[:10] == ["a"] * 5 + ["b"] * 5
    assert clock.calls[10:] == ["a", "b"] * 100


def test_a_latency_is_the_median_and_the_95th_percentile_in_milliseconds(clock: Clock) -> None:
    # After five calls to warm up, 90 of the 100 calls take 1 ms and 10 take 3 ms.
    run = clock.run("a", *[0.001] * 5, *[0.001] * 90, *[0.003] * 10)

    found = latencies({"a": run}, image_with_light(0, 0))

    assert found["a"].median == pytest.approx(1.0)
    assert found["a"].p95 == pytest.approx(3.0)


def test_slow_formats_are_called_ten_times(clock: Clock) -> None:
    latencies({"a": clock.run("a", 5.0)}, image_with_light(0, 0))

    assert len(clock.calls) == 5 + 10


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(DIGITS, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def files(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same model in each format that is installed."""
    folder = tmp_path_factory.mktemp("models")
    bright_corner_model().save(folder / "model.keras")
    targets = {"saved-model": folder / "saved", "tflite": folder / "a.tflite", "tflite-int8": folder / "b.tflite"}
    for kind, target in targets.items():
        write_format(kind, folder / "model.keras", target, prepared, DIGITS)
    return {"keras": folder / "model.keras", **targets}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["keras", "saved-model", "tflite", "tflite-int8"])
def test_a_runtime_takes_batches_of_any_size(files: dict[str, Path], kind: str) -> None:
    if kind.startswith("tflite"):
        pytest.importorskip("ai_edge_litert", reason="not installed; pip install -e '.[export]'")
    sure, unsure = [1 / (1 + np.e**2), np.e**2 / (1 + np.e**2)], [0.5, 0.5]  # light above, light below
    run = RUNNERS[kind](files[kind], 1)

    for lights, wanted in [([(1, 6), (6, 1)], [sure, unsure]), ([(6, 1)], [unsure]), ([(1, 6)] * 3, [sure] * 3)]:
        outputs = run(np.concatenate([image_with_light(*light) for light in lights]))
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, wanted, atol=0.02 if kind == "tflite-int8" else 1e-5)


@pytest.mark.slow
def test_onnx_runtime_takes_batches_of_any_size(prepared: Prepared, files: dict[str, Path], tmp_path: Path) -> None:
    for package in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason="not installed; pip install -e '.[export]'")
    write_format("onnx", files["keras"], tmp_path / "model.onnx", prepared, DIGITS)
    run = RUNNERS["onnx"](tmp_path / "model.onnx", 1)

    assert run(image_with_light(6, 1)).tolist() == [[0.5, 0.5]]
    assert run(np.repeat(image_with_light(6, 1), 3, axis=0)).tolist() == [[0.5, 0.5]] * 3


@pytest.mark.slow
def test_exports_are_compared_on_the_validation_images(
    prepared: Prepared, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tf_export_comparison, "REPEATS", 10)

    found = compare_exports({kind: files[kind] for kind in ("keras", "saved-model")}, prepared, DIGITS, 1)

    assert list(found) == ["keras", "saved-model"]
    for each in found.values():
        assert (each.images, each.agreement) == (60, 1.0)  # two batches
        assert 0 < each.single.median <= each.single.p95
    assert found["keras"].difference == 0
    assert found["saved-model"].difference == pytest.approx(0, abs=1e-5)
    assert found["saved-model"].accuracy == found["keras"].accuracy


@pytest.mark.slow
def test_a_keras_file_that_is_refused_ends_the_comparison(prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"no archive")
    with pytest.raises(ModelFileError):
        compare_exports({"keras": tmp_path / "model.keras"}, prepared, DIGITS, 1)
