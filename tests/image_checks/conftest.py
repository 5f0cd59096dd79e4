"""A folder of images with every fault that the doctor finds."""

from __future__ import annotations

import io
import json
import os
import runpy
import struct
import sys
import zlib
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

SIDE = 48


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """A unique picture of a few soft blobs of colour."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def bomb() -> bytes:
    """A PNG file of 70 bytes whose header says 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def healthy_folder(root: Path) -> Path:
    """train/ with two classes of 20 images, test/ with 5 of each."""
    for label, name in enumerate(("cat", "dog")):
        for part, count, first in (("train", 20, 0), ("test", 5, 100)):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                picture(1000 * label + first + number).save(root / part / name / f"{number:02}.png")
    return root


@pytest.fixture(scope="session")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return healthy_folder(tmp_path_factory.mktemp("data") / "pets")


@pytest.fixture(scope="session")
def sick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The healthy folder with one or more images of each fault; the file names say what is wrong."""
    base = tmp_path_factory.mktemp("sick")
    root = healthy_folder(base / "<b>pets</b>")
    cat, dog = root / "train" / "cat", root / "train" / "dog"
    _unreadable(cat)
    _lossy(dog)
    _doubles(root)
    _doubtful_classes(root)
    _links_and_strangers(root, base)
    return root


def _unreadable(cat: Path) -> None:
    (cat / "empty.png").write_bytes(b"")
    (cat / "text.jpg").write_text("not found")
    for number, name in enumerate(("cut.jpg", "cut.png")):
        picture(10 + number).save(cat / name)
        (cat / name).write_bytes((cat / name).read_bytes()[:500])
    picture(20).save(cat / "scratched.png")
    data = bytearray((cat / "scratched.png").read_bytes())
    data[60:90] = bytes(30)
    (cat / "scratched.png").write_bytes(data)
    (cat / "bomb.png").write_bytes(bomb())


def _lossy(dog: Path) -> None:
    picture(30).save(dog / "moving.gif", save_all=True, append_images=[picture(31)])
    deep = np.asarray(picture(32).convert("L")).astype(np.uint16) * 16  # 12 of 16 bits
    Image.fromarray(deep).save(dog / "deep.png")
    picture(33).convert("CMYK").save(dog / "cmyk.jpg")
    grey = picture(34).convert("LA")
    grey.putalpha(picture(35).convert("L"))
    grey.save(dog / "grey_alpha.png")
    clear = picture(36).convert("RGBA")
    clear.putalpha(128)
    clear.save(dog / "clear.png")
    picture(37).resize((160, 40)).save(dog / "long.png")


def _doubles(root: Path) -> None:
    train, test = root / "train", root / "test"
    picture(40).save(train / "cat" / "same_a.png")
    (train / "cat" / "same_b.png").write_bytes((train / "cat" / "same_a.png").read_bytes())
    picture(41).save(train / "dog" / "leak.png")
    picture(41).save(test / "dog" / "leak.bmp")
    picture(42).save(train / "dog" / "two_minds.png")
    picture(42).save(train / "cat" / "two_minds.png")
    picture(43).save(train / "dog" / "near_leak.png")
    picture(43, 64).save(test / "dog" / "near_leak.jpg", quality=80)
    picture(44).save(train / "dog" / "near_a.png")
    picture(44).save(train / "dog" / "near_b.jpg", quality=80)
    picture(45).save(train / "cat" / "near_minds.png")
    picture(45).save(train / "dog" / "near_minds.jpg", quality=80)


def _doubtful_classes(root: Path) -> None:
    for name, seed in (("Dogs", 300), ("tulip", 400), ("tuilp", 500)):
        (root / "train" / name).mkdir()
        for number in range(2):
            picture(seed + number).save(root / "train" / name / f"{number}.png")


def _links_and_strangers(root: Path, base: Path) -> None:
    cat = root / "train" / "cat"
    picture(50).save(base / "outside.png")
    (cat / "out.png").symlink_to(base / "outside.png")
    (cat / "nowhere.png").symlink_to(base / "gone.png")
    (cat / "more").symlink_to(root / "test" / "cat")
    (root / "readme.txt").write_text("about these images")
    (cat / ".hidden.png").write_bytes(b"")
    picture(51).save(cat / "other.tiff")


class Answer(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def doctor(*words: str) -> Answer:
    """Run `python -m sweep.doctor WORDS` within this process: a new process would take seconds to start."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    before = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = ["doctor", *words], "200"
    try:
        with redirect_stdout(out), redirect_stderr(err):
            runpy.run_module("sweep.doctor", run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.argv = before[0]
        os.environ.pop("COLUMNS")
        if before[1] is not None:
            os.environ["COLUMNS"] = before[1]
    return Answer(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def report(sick: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The output of `--json` for the sick folder; `page` is the text of the page."""
    page = tmp_path_factory.mktemp("page") / "doctor.html"
    done = doctor(str(sick), "--json", "--html", str(page))
    assert (done.returncode, done.stderr) == (1, "")
    return {**json.loads(done.stdout), "page": page.read_text(encoding="utf-8")}
