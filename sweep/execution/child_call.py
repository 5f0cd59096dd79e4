"""Calling a function in a child of the fork server: its memory, its threads and its noise stay there."""

from __future__ import annotations

import importlib
import os
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from sweep.errors import SweepError, TrialFailure, UserError
from sweep.execution.fork_server import fork_context

POLL_SECONDS = 0.5
"""How long a stop request may wait to be noticed."""


class Stopped(SweepError):
    """The call was given up because `stop` said so."""


def call_in_child(function: str, *arguments: Any, stop: Callable[[], bool] | None = None) -> Any:
    """The result of a function that needs TensorFlow, for a process that must not import it.

    Args:
        function: `package.module:name`.
        arguments: picklable, as the result must be.
        stop: asked twice a second; True ends the child at once.

    Raises:
        UserError, TrialFailure: as raised there.
        Stopped: `stop` said so.
        SweepError: with the traceback of whatever else went wrong there.
    """
    context = fork_context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        while stop is not None and not ours.poll(POLL_SECONDS):
            if stop():
                process.terminate()
                process.join()
                raise Stopped(f"{function} was stopped")
        good, answer = ours.recv()
    except (EOFError, OSError):  # OSError: it died in the middle of its answer
        process.join()
        raise SweepError(f"the child process ended with exit code {process.exitcode}") from None
    finally:
        ours.close()
    process.join()
    if not good:
        raise answer if isinstance(answer, SweepError) else SweepError(str(answer))
    return answer


def _main(connection: Connection, function: str, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C goes to every process of the terminal; it is the caller who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        module, name = function.split(":")
        answer = (True, getattr(importlib.import_module(module), name)(*arguments))
    except TrialFailure as failure:
        answer = (False, TrialFailure(failure.cause, failure.message, traceback.format_exc()))
    except UserError as error:
        answer = (False, error)
    except Exception:
        answer = (False, traceback.format_exc())
    connection.send(answer)
