from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweep.data.contents import Contents
from sweep.data.decode import folder_source
from sweep.errors import DataError
from sweep.records.array_types import UInt8Array
from sweep.space.config import DataConfig

Draw = Callable[..., Path]


def opened(root: Path, **settings: int | str) -> Contents:
    return folder_source(root, DataConfig(name=str(root), **settings)).open()  # type: ignore[arg-type]


def read(contents: Contents, advance: Callable[[int], None] = lambda _count: None) -> UInt8Array:
    count = len(contents.train.labels)
    out = np.zeros((count, *contents.shape), dtype=np.uint8)
    contents.train.read(np.arange(count), out, advance)
    return out


def test_a_folder_is_read_class_by_class_and_file_by_file(flat_folder: Path) -> None:
    contents = opened(flat_folder)
    assert contents.classes == ("cat", "dog")
    assert contents.shape == (6, 6, 3)
    assert contents.train.labels.tolist() == [0] * 10 + [1] * 10
    assert read(contents)[:, 0, 0, 0].tolist() == [*range(10), *range(100, 110)]


def test_every_decoded_file_is_counted(flat_folder: Path) -> None:
    counts: list[int] = []
    read(opened(flat_folder), counts.append)
    assert sum(counts) == 20


def test_grey_files_alone_give_one_channel(tmp_path: Path, draw: Draw) -> None:
    for name in ("cat", "dog"):
        draw(tmp_path / name / "1.png", 50, mode="L")
    assert opened(tmp_path).shape == (6, 6, 1)


def test_one_coloured_file_makes_the_whole_set_rgb(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "cat" / "1.png", 50, mode="L")
    draw(tmp_path / "dog" / "1.png", 50, mode="RGB")
    contents = opened(tmp_path)
    assert contents.shape == (6, 6, 3)
    assert read(contents)[:, 0, 0].tolist() == [[50, 50, 50], [50, 0, 205]]


@pytest.mark.parametrize(("channels", "depth"), [("grey", 1), ("rgb", 3)])
def test_the_configuration_overrules_the_channels_of_the_files(flat_folder: Path, channels: str, depth: int) -> None:
    assert read(opened(flat_folder, channels=channels)).shape == (20, 6, 6, depth)


def test_the_test_part_does_not_affect_the_channels(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / "cat" / "1.png", 50, mode="L")
    draw(tmp_path / "test" / "cat" / "1.png", 50, mode="RGB")
    assert opened(tmp_path).shape == (6, 6, 1)


def test_images_of_different_sizes_are_resized_to_one(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "cat" / "1.png", size=(9, 5))
    draw(tmp_path / "dog" / "1.jpg", size=(400, 300))
    assert read(opened(tmp_path, image_size=8)).shape == (2, 8, 8, 3)


def test_without_a_size_the_first_two_that_differ_are_named(tmp_path: Path, draw: Draw) -> None:
    for name, size in (("1", (6, 4)), ("2", (6, 4)), ("3", (7, 4)), ("4", (8, 4))):
        draw(tmp_path / "cat" / f"{name}.png", size=size)
    message = r"cat/1\.png is 6 x 4 and cat/3\.png is 7 x 4 pixels .* set `image_size: 32`"
    with pytest.raises(DataError, match=message):
        read(opened(tmp_path))


def test_unreadable_files_are_counted_and_the_first_listed(flat_folder: Path) -> None:
    (flat_folder / "cat" / "0.png").write_bytes(b"")
    whole = (flat_folder / "cat" / "1.png").read_bytes()
    (flat_folder / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    for number in range(5):
        (flat_folder / "dog" / f"{number}.png").write_text("no image")
    with pytest.raises(DataError) as caught:
        read(opened(flat_folder))
    lines = str(caught.value).splitlines()
    assert lines[0] == f"data `{flat_folder}`: 7 of 20 image files cannot be read:"
    assert lines[1] == "  cat/0.png: cannot identify image file"
    assert lines[2].startswith("  cat/1.png: ")
    assert [line[:12] for line in lines[3:6]] == ["  dog/0.png:", "  dog/1.png:", "  dog/2.png:"]
    assert lines[6:] == [
        "  and 2 more",
        f"`python -m sweep.doctor {flat_folder}` lists all faults of the folder. Remove or replace the files, "
        "or leave them out with `--set data.on_unreadable=skip`.",
    ]


def test_a_folder_without_a_readable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_text("no image")
    with pytest.raises(DataError, match="1 of 1 image files cannot be read"):
        read(opened(tmp_path))


def test_a_link_to_nowhere_is_an_unreadable_file(flat_folder: Path) -> None:
    (flat_folder / "cat" / "x.png").symlink_to(flat_folder / "gone.png")
    with pytest.raises(DataError, match=r"cat/x\.png: .*No such file"):
        read(opened(flat_folder))


def test_large_files_are_decoded_the_same_in_many_threads(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 80, 80, 3), dtype=np.uint8)
    (tmp_path / "cat").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / "cat" / f"{number:02}.png")
    assert np.array_equal(read(opened(tmp_path)), noise)
