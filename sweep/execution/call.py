"""Calling a function in a child of the fork server: its memory, its threads and its noise stay there."""

from __future__ import annotations

import importlib
import os
import traceback
from multiprocessing.connection import Connection
from typing import Any

from sweep.errors import SweepError
from sweep.execution.context import ChildContext
from sweep.training.environment import set_flags


def call_in_child(function: str, *arguments: Any) -> Any:
    """The result of a function that needs TensorFlow, for a process that must not import it.

    Args:
        function: `package.module:name`.
        arguments: picklable, as the result must be.

    Raises:
        SweepError: with the traceback of whatever went wrong there.
    """
    set_flags()
    context = ChildContext()
    context.set_forkserver_preload(["sweep.execution.preload"])
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        good, answer = ours.recv()
    except (EOFError, OSError):  # OSError: it died in the middle of its answer
        process.join()
        raise SweepError(f"the child process ended with exit code {process.exitcode}") from None
    finally:
        ours.close()
    process.join()
    if not good:
        raise SweepError(str(answer))
    return answer


def _main(connection: Connection, function: str, arguments: tuple[Any, ...]) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        module, name = function.split(":")
        answer = (True, getattr(importlib.import_module(module), name)(*arguments))
    except Exception:
        answer = (False, traceback.format_exc())
    connection.send(answer)
