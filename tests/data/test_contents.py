from __future__ import annotations

from sweep.data.contents import chunks


def test_chunks_cover_all_images_without_overlap() -> None:
    assert chunks(70_000, (32, 32, 3)) == [
        *(slice(start, start + 5461) for start in range(0, 65_532, 5461)),
        slice(65_532, 70_000),
    ]


def test_an_image_larger_than_a_chunk_makes_a_separate_chunk() -> None:
    assert chunks(2, (8192, 8192, 3)) == [slice(0, 1), slice(1, 2)]


def test_no_images_make_no_chunks() -> None:
    assert chunks(0, (8, 8, 1)) == []
