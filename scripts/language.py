"""Finds the idioms that docs/language.md lists under "Words to avoid" in the texts of the repository."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = "docs/language.md"
ROW = re.compile(r"^\| `(.+?)` \| (.+) \|$", re.MULTILINE)
FOLDERS = ("docs", "scripts", "search_spaces", "sweep", "tests")
PLACES = ("*.md", "*.toml", ".ci/*", "mlflow/*", *(f"{folder}/**/*" for folder in FOLDERS))
EXCEPT = re.compile(rf"^{LIST}$|^tests/test_language\.py$|/earlier/|/__pycache__/|\.(lock|png|svg|npz|sql|db.*)$")
"""The list and its test, generated files, and files of an earlier version that a test reads."""


def idioms(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern and the advice of each row of the table."""
    rows = [(row.replace("\\|", "|"), advice) for row, advice in ROW.findall(text.partition("## Words to avoid")[2])]
    return [(re.compile(rf"\b(?:{row})(?!\w)", re.IGNORECASE), advice) for row, advice in rows]


def texts() -> Iterator[Path]:
    """Yield the files to check, in the order of their names."""
    for path in sorted({path for place in PLACES for path in ROOT.glob(place) if path.is_file()}):
        if not EXCEPT.search(path.relative_to(ROOT).as_posix()):
            yield path


def main() -> int:
    """Print a line per idiom found; return the exit code."""
    patterns = idioms((ROOT / LIST).read_text(encoding="utf-8"))
    found = 0
    for path in texts():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for pattern, advice in patterns:
                for match in pattern.finditer(line):
                    print(f"{path.relative_to(ROOT)}:{number}: `{match[0]}`: write instead: {advice}")
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
