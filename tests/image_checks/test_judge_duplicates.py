from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from sweep.image_checks.image_examination import ImageHash, hash_of
from sweep.image_checks.judge_duplicates import near_duplicates, near_pairs, same_pixels
from sweep.records.array_types import UInt8Array
from tests.image_checks.conftest import picture


def jpeg(image: Image.Image, quality: int) -> UInt8Array:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


PICTURE = picture(1)
CHANGED = {
    "jpeg": jpeg(PICTURE, 70),
    "smaller": np.asarray(PICTURE.resize((32, 32))),
    "larger": np.asarray(PICTURE.resize((96, 96))),
    "brighter": np.asarray(ImageEnhance.Brightness(PICTURE).enhance(1.05)),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_copy_of_a_picture_is_a_near_duplicate(change: str) -> None:
    hashes = [
        hash_of(np.asarray(picture(2))),
        hash_of(np.asarray(PICTURE)),
        hash_of(CHANGED[change]),
    ]
    assert near_duplicates(hashes) == [[1, 2]]
    assert same_pixels(hashes) == []


def test_different_pictures_are_not_near_duplicates() -> None:
    assert near_duplicates([hash_of(np.asarray(picture(seed))) for seed in range(300)]) == []


def test_equal_pixels_are_found_for_any_channels_and_not_reported_again_as_near() -> None:
    grey = np.asarray(picture(3).convert("L"))[..., np.newaxis]
    hashes = [
        hash_of(grey),
        hash_of(np.asarray(PICTURE)),
        hash_of(np.repeat(grey, 3, axis=2)),
    ]
    assert same_pixels(hashes) == [[0, 2]]
    assert near_duplicates(hashes) == []


def test_the_same_bytes_in_another_shape_are_not_the_same_picture() -> None:
    random = np.random.default_rng(0).integers(0, 256, (16, 64, 3), dtype=np.uint8)
    assert same_pixels([hash_of(random), hash_of(random.reshape(64, 16, 3))]) == []


def test_images_of_one_colour_are_not_near_duplicates() -> None:
    white, grey = (np.full((32, 32, 3), tone, dtype=np.uint8) for tone in (255, 250))
    assert near_duplicates([hash_of(white), hash_of(grey)]) == []
    assert same_pixels([hash_of(white), hash_of(white.copy())]) == [[0, 1]]


def test_nearness_is_transitive() -> None:
    def hashed(number: int, bits: int) -> ImageHash:
        return ImageHash(bytes([number]), bits, bytes(192), flat=False)

    far = hashed(1, 2**64 - 1)
    assert near_duplicates([hashed(0, 0), far, hashed(2, 0b1111), hashed(3, 0b11111111)]) == [[0, 2, 3]]


@pytest.mark.parametrize("apart", [0, 1, 2, 3, 4, 5, 6])
def test_hashes_are_near_if_any_four_bits_differ(apart: int) -> None:
    random = np.random.default_rng(apart)
    small = np.zeros((2, 192), dtype=np.uint8)
    for _ in range(50):
        first = int(random.integers(0, 2**63))
        second = first
        for bit in random.choice(64, apart, replace=False):
            second ^= 1 << int(bit)
        assert len(near_pairs(np.array([first, second], dtype=np.uint64), small)) == (apart <= 4)


def test_the_bands_find_the_same_pairs_as_comparing_all_with_all() -> None:
    random = np.random.default_rng(5)
    centres = random.integers(0, 2**63, 12, dtype=np.uint64)
    hashes = np.repeat(centres, 25)
    for _ in range(3):
        hashes ^= np.uint64(1) << random.integers(0, 64, len(hashes), dtype=np.uint64)
    small = random.integers(0, 48, (len(hashes), 192), dtype=np.uint8)
    left, right = np.triu_indices(len(hashes), 1)
    near = np.bitwise_count(hashes[left] ^ hashes[right]) <= 4
    tones = np.abs(small[left].astype(int) - small[right]).mean(axis=1) <= 16
    expected = np.stack([left, right], axis=1)[near & tones]
    assert len(expected) > 300
    assert near_pairs(hashes, small).tolist() == expected.tolist()


def test_a_picture_of_other_tones_is_not_near_even_with_equal_hashes() -> None:
    hashes = np.zeros(3, dtype=np.uint64)
    small = np.repeat([[0], [16], [33]], 192, axis=1).astype(np.uint8)
    assert near_pairs(hashes, small).tolist() == [[0, 1]]
