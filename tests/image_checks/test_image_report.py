"""All faults of a folder are found."""

from __future__ import annotations

from typing import Any

import pytest

EXPECTED = {
    "problem": {
        "empty": ["train/cat/empty.png"],
        "truncated": ["train/cat/cut.jpg", "train/cat/cut.png"],
        "corrupt": ["train/cat/scratched.png", "train/cat/text.jpg"],
        "bomb": ["train/cat/bomb.png"],
        "missing": ["train/cat/nowhere.png"],
        "split": [],
        "same_class": ["Dogs", "dog"],
        "duplicate_conflict": ["train/cat/two_minds.png", "train/dog/two_minds.png"],
        "duplicate_across": ["test/dog/leak.bmp", "train/dog/leak.png"],
        "near_duplicate_across": ["test/dog/near_leak.jpg", "train/dog/near_leak.png"],
    },
    "warning": {
        "animated": ["train/dog/moving.gif"],
        "deep": ["train/dog/deep.png"],
        "cmyk": ["train/dog/cmyk.jpg"],
        "grey_alpha": ["train/dog/grey_alpha.png"],
        "transparent": ["train/dog/clear.png"],
        "sizes": [],
        "link_leaves": ["train/cat/nowhere.png", "train/cat/out.png"],
        "link_unread": ["train/cat/more"],
        "unread_image": ["train/cat/other.tiff"],
        "near_class": ["tuilp", "tulip"],
        "imbalance": ["Dogs", "cat", "dog", "tuilp", "tulip"],
        "untested_class": ["Dogs", "tuilp", "tulip"],
        "duplicate": ["train/cat/same_a.png", "train/cat/same_b.png"],
        "near_duplicate_conflict": ["train/cat/near_minds.png", "train/dog/near_minds.jpg"],
    },
    "note": {
        "long": ["train/dog/long.png"],
        "not_an_image": ["readme.txt"],
        "hidden": ["train/cat/.hidden.png"],
        "near_duplicate": ["train/dog/near_a.png", "train/dog/near_b.jpg"],
    },
}


def findings(report: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = (finding for finding in report["findings"] if finding["kind"] == kind)
    return dict(found)


@pytest.mark.parametrize("level", ["problem", "warning", "note"])
def test_every_fault_is_found_with_its_files_and_nothing_else_is(report: dict[str, Any], level: str) -> None:
    found = {
        finding["kind"]: sorted(entry["name"] for group in finding["groups"] for entry in group)
        for finding in report["findings"]
        if finding["level"] == level
    }
    assert found == EXPECTED[level]


def test_the_most_severe_findings_come_first_and_problems_are_counted(report: dict[str, Any]) -> None:
    levels = [finding["level"] for finding in report["findings"]]
    assert levels == ["problem"] * 10 + ["warning"] * 14 + ["note"] * 4
    assert report["problems"] == 10


def test_every_finding_says_what_to_do(report: dict[str, Any]) -> None:
    assert [finding["kind"] for finding in report["findings"] if len(finding["advice"]) < 20] == []


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        ("truncated", "2 files cut off before the end"),
        ("duplicate_across", "1 group of images with the same pixels in different parts (1 in train and test)"),
        (
            "near_duplicate_across",
            "1 group of images with nearly the same pixels in different parts (1 in train and test)",
        ),
        ("sizes", "3 different sizes: smallest 48 x 48, median 48 x 48, largest 160 x 40"),
        ("imbalance", "Classes are uneven: dog has 32 images, 16.0 times as many as Dogs with 2"),
        ("same_class", "1 class has several names"),
    ],
)
def test_a_title_has_the_numbers(report: dict[str, Any], kind: str, title: str) -> None:
    assert findings(report, kind)["title"] == title


def test_details_say_what_is_special(report: dict[str, Any]) -> None:
    details = {
        entry["name"]: entry["detail"]
        for finding in report["findings"]
        for group in finding["groups"]
        for entry in group
        if entry["detail"]
    }
    assert details["train/cat/text.jpg"] == "not an image of a known format"
    assert details["train/cat/bomb.png"].startswith("Image size (900000000 pixels) exceeds limit")
    assert details["train/dog/deep.png"] == "values up to 3664 of 65535"
    assert details["train/cat/same_b.png"] == "same bytes"
    assert details["train/cat/out.png"].endswith("/outside.png")
    assert details["train/dog/long.png"] == "160 x 40"


def test_the_page_shows_pictures_and_needs_nothing_from_elsewhere(report: dict[str, Any]) -> None:
    page = report["page"]
    assert page.count('src="data:image/png;base64,') == 18
    assert "http" not in page.replace('http-equiv="', "")
    assert "<script" not in page
    assert "default-src &#39;none&#39;" in page


def test_names_are_text_on_the_page(report: dict[str, Any]) -> None:
    assert "&lt;b&gt;pets&lt;/b&gt;" in report["page"]
    assert "<b>" not in report["page"]
