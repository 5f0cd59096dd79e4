"""Call a function in a child of the fork server, to keep its memory, threads and output out of this process."""

from __future__ import annotations

import importlib
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from sweep.errors import SweepError, TrialFailure, UserError
from sweep.execution.fork_server import discard_output, fork_context

_POLL_SECONDS = 0.5
"""Maximum time until a stop request is noticed."""


class Stopped(SweepError):
    """The call was ended because `stop` returned True."""


def call_in_child(function: str, *arguments: Any, stop: Callable[[], bool] | None = None) -> Any:
    """Return the result of a function that needs TensorFlow, which this process must not import.

    Args:
        function: `package.module:name`.
        arguments: picklable values; the result must be picklable too.
        stop: called twice a second; True ends the child immediately.

    Raises:
        UserError, TrialFailure: raised by the function.
        Stopped: `stop` returned True.
        SweepError: the function raised another exception, whose traceback is the message; or the child died.
    """
    context = fork_context()
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        while stop is not None and not ours.poll(_POLL_SECONDS):
            if stop():
                process.terminate()
                process.join()
                raise Stopped(f"{function} was stopped")
        succeeded, answer = ours.recv()
    except (EOFError, OSError):  # OSError: the child died in the middle of its answer
        process.join()
        raise SweepError(f"the child process ended with exit code {process.exitcode}") from None
    finally:
        ours.close()
    process.join()
    if not succeeded:
        raise answer if isinstance(answer, SweepError) else SweepError(str(answer))
    return answer


def _main(connection: Connection, function: str, arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal. Ignore it, because the caller decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    discard_output()
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
