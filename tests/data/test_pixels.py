from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweep.data.pixels import fit_array, fit_image, is_colour, read_image


def test_a_grey_image_becomes_three_equal_channels() -> None:
    assert fit_image(Image.new("L", (2, 1), 7), 3, None).tolist() == [[[7, 7, 7], [7, 7, 7]]]


def test_a_coloured_image_becomes_its_luma() -> None:
    assert fit_image(Image.new("RGB", (1, 1), (255, 0, 0)), 1, None).tolist() == [[[76]]]


def test_resizing_is_to_a_square_of_height_by_width_by_channels() -> None:
    assert fit_image(Image.new("RGB", (20, 10)), 3, 4).shape == (4, 4, 3)


def test_without_a_size_the_height_comes_first() -> None:
    assert fit_image(Image.new("RGB", (20, 10)), 3, None).shape == (10, 20, 3)


def test_transparency_is_dropped() -> None:
    assert fit_image(Image.new("RGBA", (1, 1), (9, 8, 7, 0)), 3, None).tolist() == [[[9, 8, 7]]]


def test_sixteen_bit_grey_keeps_its_upper_byte(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 513, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert read_image(tmp_path / "deep.png", 1, None).tolist() == [[[0], [2], [255]]]


def test_grey_values_beyond_sixteen_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="8 or 16 bits, received 70000 to 70000"):
        fit_image(Image.fromarray(np.full((1, 1), 70000, dtype=np.int32)), 1, None)


def test_an_array_that_fits_is_returned_as_it_is() -> None:
    pixels = np.zeros((4, 4, 1), dtype=np.uint8)
    assert fit_array(pixels, 1, 4) is pixels


def test_an_array_is_resized_and_given_channels() -> None:
    assert fit_array(np.full((8, 8, 1), 9, dtype=np.uint8), 3, 2).tolist() == [[[9, 9, 9]] * 2] * 2


def test_a_photo_is_turned_upright_as_its_exif_says(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (20, 10)).save(tmp_path / "photo.jpg", exif=exif)
    assert read_image(tmp_path / "photo.jpg", 3, None).shape == (20, 10, 3)


def test_a_gif_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("L", (2, 2), shade) for shade in (10, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert read_image(tmp_path / "two.gif", 1, None).ravel().tolist() == [10, 10, 10, 10]


@pytest.mark.parametrize(("mode", "colour"), [("L", False), ("1", False), ("LA", False), ("RGB", True), ("RGBA", True)])
def test_the_mode_of_a_file_says_whether_it_has_colour(tmp_path: Path, mode: str, colour: bool) -> None:
    Image.new(mode, (2, 2)).save(tmp_path / "image.png")
    assert is_colour(tmp_path / "image.png") is colour


@pytest.mark.parametrize(("entry", "colour"), [((5, 5, 5), False), ((5, 6, 5), True)])
def test_a_palette_has_colour_when_one_entry_has(tmp_path: Path, entry: tuple[int, int, int], colour: bool) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([0, 0, 0, *entry])
    image.save(tmp_path / "palette.png")
    assert is_colour(tmp_path / "palette.png") is colour
