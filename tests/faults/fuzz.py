"""Fuzzing with coverage (atheris, LLVM's libFuzzer): `python -m tests.faults.fuzz space -max_total_time=60 CORPUS`.

For any bytes, the reader must return a space or faults, and a record must be read or refused. Anything else ends the
run.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import atheris

with atheris.instrument_imports(include=["sweep", "ruamel"]):
    from sweep.errors import RecordError, SpaceError
    from sweep.records.study_lock import lease_from_text
    from sweep.records.trial_record import record_from_json
    from sweep.space.reader import space_from_text

SLOWEST = 5.0
"""Maximum seconds of processor time. Measuring the coverage makes the code ten times slower."""


def space(content: bytes) -> None:
    text = content.decode("utf-8", "ignore")
    started = time.process_time()
    try:
        space_from_text(text, "s.yaml")
    except SpaceError as error:
        if not error.faults:
            raise RuntimeError("an error without a fault") from error
    if time.process_time() - started > SLOWEST:
        raise RuntimeError("too slow")


def record(content: bytes) -> None:
    text = content.decode("utf-8", "surrogateescape")
    lease_from_text(text)
    try:
        record_from_json(text, "trial.json")
    except RecordError as error:
        if "\n" in str(error):
            raise RuntimeError("more than a line") from error


TARGETS: dict[str, Callable[[bytes], None]] = {"space": space, "record": record}

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
