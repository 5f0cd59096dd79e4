"""Find the idioms that docs/language.md lists under "Words to avoid" in the texts of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = "docs/language.md"
ROW = re.compile(r"^\| `(.+?)` \| (.+) \|$", re.MULTILINE)
NOT_OURS = re.compile(r"\.lock$|\.(png|svg|npz|sql)$|^LICENSE$|^CHANGELOG\.md$|/earlier/")


def idioms(text: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the pattern and the advice of each row of the table."""
    out = text.partition("## Words to avoid")[2]
    rows = [(pattern.replace("\\|", "|"), advice) for pattern, advice in ROW.findall(out)]
    return [(re.compile(rf"\b(?:{pattern})(?!\w)", re.IGNORECASE), advice) for pattern, advice in rows]


def main() -> int:
    """Print a line per idiom found; return the exit code."""
    patterns = idioms((ROOT / LIST).read_text())
    listed = subprocess.run(["git", "ls-files", *sys.argv[1:]], cwd=ROOT, check=True, capture_output=True, text=True)
    found = 0
    for name in listed.stdout.splitlines():
        if name == LIST or NOT_OURS.search(name) or not (ROOT / name).is_file():
            continue
        for number, line in enumerate((ROOT / name).read_text().splitlines(), 1):
            for pattern, advice in patterns:
                for match in pattern.finditer(line):
                    print(f"{name}:{number}: `{match[0]}`: write instead: {advice}")
                    found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
