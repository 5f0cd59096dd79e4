"""Every kind of fault with its complete message: `line:column: what is wrong and what to write`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.errors import Fault, SpaceError
from sweep.space.reader import read_space, space_from_text


def cases() -> Iterator[tuple[str, str, list[str]]]:
    """Name, text and faults of each case of faults.txt."""
    _, *blocks = Path(__file__).with_name("faults.txt").read_text(encoding="utf-8").split("\n=== ")
    for block in blocks:
        name, *lines = block.splitlines()
        faults = [line.removeprefix(">> ") for line in lines if line.startswith(">> ")]
        yield name, "".join(f"{line}\n" for line in lines if line and not line.startswith(">> ")), faults


CASES = list(cases())


def faults_in(text: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        space_from_text(text, "s.yaml")
    return [str(fault).removeprefix("s.yaml:") for fault in caught.value.faults]


@pytest.mark.parametrize(("text", "faults"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_fault_says_where_it_is_and_what_to_write_instead(text: str, faults: list[str]) -> None:
    assert faults_in(text) == faults


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["1:1: the file is empty; a search space needs at least `model:`"]),
        ("study: a\0b\n", ["1:9: not YAML text: it contains the control character U+0000; remove it"]),
        (
            "model:\n\tbuilder: vgg\n",
            [
                r"2:1: not valid YAML: found character '\t' that cannot start any token; "
                "indent with spaces, not with tabs"
            ],
        ),
        (
            "model: {builder: vgg}\nstart_from: [" + "a" * 300 + "]\n",
            ['2:14: there is no recipe file "' + "a" * 246 + "…"],
        ),
        (
            "model: {builder: vgg, max_parameters: 0x" + "f" * 5000 + "}\n",
            ["1:39: `max_parameters` must be less than 2^63, not a number of about 6,021 digits"],
        ),
        (
            "model: {builder: vgg, dense_units: " + "1" * 5000 + "}\n",
            ['1:36: cannot read the number "' + "1" * 56 + "…; write a shorter number, or put text in quotes"],
        ),
        (
            "model: {builder: vgg}\n" + "k" * 100 + ": 1\n",
            ['2:1: unknown key "' + "k" * 56 + "…: no key has more than 64 characters"],
        ),
        (
            "model: {builder: vgg, l2: " + "[" * 25 + "1" + "]" * 25 + "}\n",
            [
                "1:28: `l2` must be one value here, a number, at least 0, not a list",
                "1:46: nested more than 20 levels deep",
            ],
        ),
        ("model: " + "[" * 500 + "\n", ["1:1: nested more than 20 levels deep; use fewer brackets"]),
        ("- " * 5000 + "\n", ["1:1: nested more than 20 levels deep"]),
        ("[\n" * 5000, ["1:1: nested more than 20 levels deep"]),
    ],
    ids=[
        "nothing",
        "a NUL",
        "a tab",
        "a long file name",
        "a huge hexadecimal number",
        "a huge decimal number",
        "a long key",
        "25 lists",
        "500 lists",
        "5000 lists in a row",
        "5000 lists in 5000 lines",
    ],
)
def test_a_fault_of_very_long_or_unprintable_text_says_so_too(text: str, faults: list[str]) -> None:
    assert faults_in(text) == faults


def test_all_faults_of_a_file_are_reported_together_in_the_order_of_the_file() -> None:
    assert faults_in(
        "study: my study\n"
        "modle: {}\n"
        "model:\n"
        "  builder: vgg\n"
        "  blocks: {low: 4, high: 2}\n"
        "  l2: {low: 0, high: 1, log: true}\n"
        "  l2: 0\n"
        "training:\n"
        "  optimizer: [sgd, adam]\n"
        "  momentum: {low: 0.8, high: 0.99, when: {optimzer: sgd}}\n"
        "  epochs: many\n"
        "start_from: [nowhere.yaml]\n"
    ) == [
        "1:8: a study's name has 1 to 64 letters, digits, `.`, `_` or `-`, and starts with a letter or digit; "
        'received "my study"',
        "2:1: unknown section `modle`; the sections are study, data, model, training, augmentation, search, "
        "start_from; did you mean `model`?",
        "5:17: `blocks`: low 4 is more than high 2; swap them",
        "6:13: `l2`: a logarithmic range must start above 0, not at 0; to include 0, add `or: 0`",
        "7:3: the key `l2` is already given in line 6; keep one of them",
        "10:43: `when`: there is no other key named `optimzer`; did you mean `optimizer`?",
        '11:11: `epochs` must be an integer, at least 1, not "many"',
        '12:14: there is no recipe file "nowhere.yaml"',
    ]


def test_two_anchors_of_the_same_name_are_two_faults_and_not_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert faults_in("model: {builder: vgg, l2: &x 0.1, blocks: &x 3}\n") == [
            "1:27: anchors and aliases (&x) are not supported; write the value out",
            "1:43: anchors and aliases (&x) are not supported; write the value out",
        ]


def test_the_message_of_the_error_is_one_line_per_fault_and_its_exit_code_is_2() -> None:
    with pytest.raises(SpaceError) as caught:
        space_from_text("model: {builder: vgg, blocks: 0, l2: x}\n", "spaces/a.yaml")
    assert str(caught.value) == (
        "spaces/a.yaml:1:31: `blocks` must be an integer, at least 1, at most 8, not 0\n"
        'spaces/a.yaml:1:38: `l2` must be a number, at least 0, not "x"'
    )
    assert caught.value.faults[0] == Fault(
        "spaces/a.yaml", 1, 31, "`blocks` must be an integer, at least 1, at most 8, not 0"
    )
    assert caught.value.exit_code == 2


def faults_of_file(path: Path) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        read_space(path)
    return [str(fault).removeprefix(f"{path}:") for fault in caught.value.faults]


def test_the_fault_of_a_missing_file_names_the_files_in_the_folder(tmp_path: Path) -> None:
    other = tmp_path / "vgg.yaml"
    other.write_text("model: {builder: vgg}")
    assert faults_of_file(tmp_path / "vg.yaml") == [f"1:1: there is no such file; the folder has {other}"]


def test_a_missing_folder_is_a_fault(tmp_path: Path) -> None:
    assert faults_of_file(tmp_path / "none" / "vgg.yaml") == ["1:1: there is no such file"]


def test_a_directory_is_a_fault(tmp_path: Path) -> None:
    assert faults_of_file(tmp_path) == [
        "1:1: the file cannot be read: it is a directory; name the .yaml file in it",
    ]


def test_a_path_with_a_nul_is_a_fault(tmp_path: Path) -> None:
    assert faults_of_file(tmp_path / "a\0b") == ["1:1: the file cannot be read: embedded null byte"]


def test_a_path_that_is_too_long_is_a_fault(tmp_path: Path) -> None:
    assert faults_of_file(tmp_path / ("a" * 300)) == ["1:1: the file cannot be read: File name too long"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "1:1: the file is empty; a search space needs at least `model:`"),
        (b"\xef\xbb\xbf \n", "1:1: the file is empty; a search space needs at least `model:`"),
        (b"\x89PNG\r\n\x1a\n\0\0", "1:1: not a text file: byte 0 is not UTF-8; a search space is YAML text"),
        ("study: a".encode("utf-16"), "1:1: not a text file: byte 0 is not UTF-8; a search space is YAML text"),
        (b"study: a\n\0\0\0", "2:1: not YAML text: it contains the control character U+0000; remove it"),
        (
            b"# comment\n" * 1_000_000,
            "1:1: the file cannot be read: it is larger than 16,000 bytes; a search space is a page of YAML text",
        ),
    ],
    ids=["empty", "only a byte order mark", "an image", "UTF-16", "zeros", "10 MB"],
)
def test_a_file_that_is_not_text_is_a_fault(content: bytes, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_bytes(content)
    assert faults_of_file(path) == [fault]
