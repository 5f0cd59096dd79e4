"""A folder of photos with every option: size, grey, groups, skipping, class weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.end_to_end.conftest import records, sweep

pytestmark = pytest.mark.slow

SPACE = r"""
study: own
data: {{name: {root}, image_size: 20, channels: {channels}, validation: 0.25, test: 0.25, group_by: '^(p\d+)_',
       on_unreadable: skip}}
model: {{builder: vgg, blocks: 1, filters: {{fixed: [4]}}, convolutions_per_block: 1, dense_units: 8}}
training: {{epochs: 1, batch_size: 16, class_weights: [none, balanced]}}
search: {{sampler: grid, trials: 2}}
"""


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two unequal classes of photos of several sizes, three per patient; one file is empty."""
    root = tmp_path / "photos"
    random = np.random.default_rng(0)
    for name, patients in (("ill", 8), ("well", 16)):
        (root / name).mkdir(parents=True)
        for number in range(3 * patients):
            pixels = random.integers(0, 256, (30 + number % 5, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"p{number // 3}_{number % 3}.jpg")
    (root / "ill" / "p0_0.jpg").write_bytes(b"")
    return root


@pytest.mark.long
def test_own_images_run_in_grey_at_another_size_by_groups_with_weights(photos: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE.format(root=photos, channels="grey"))

    done = sweep("run", "--space", str(space), home=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "images of 20x20x1, 2 classes; 1 unreadable file skipped" in done.stdout
    first, second = records(tmp_path, "own")
    assert [r["config"]["training"]["class_weights"] for r in (first, second)] in (
        ["none", "balanced"],
        ["balanced", "none"],
    )
    assert first["data"] == second["data"]
    assert (first["data"]["skipped"], first["data"]["shape"]) == (1, [20, 20, 1])
    assert first["weights_digest"] != second["weights_digest"]


def test_without_a_size_different_photos_are_refused_with_the_way_out(photos: Path, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(SPACE.format(root=photos, channels="rgb").replace("image_size: 20, ", ""))

    done = sweep("run", "--space", str(space), "--json", home=tmp_path)

    assert done.returncode == 2
    assert "all images must have the same size" in done.stderr
    assert "set `image_size: 32` (or another size) to resize every image" in done.stderr
    assert json.dumps(done.stdout) == '""'
