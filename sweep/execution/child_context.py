"""Child processes that leave the user's script alone.

`multiprocessing` lets every child import the main module of its parent again, so that functions of it can be called
there. A script that calls `sweep.run` without `if __name__ == "__main__":` would begin another sweep in each trial;
and nothing that we start needs the main module.
"""

from __future__ import annotations

import threading
from multiprocessing import spawn
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import BaseProcess
from typing import Any

_SCRIPT_KEYS = ("init_main_from_name", "init_main_from_path")
"""How `multiprocessing` tells a child of the main module (CPython 3.4 to 3.14)."""
_prepare = spawn.get_preparation_data
_starting = threading.local()


def _without_script(name: str) -> dict[str, Any]:
    """What a child is told at its start; for those of this module without the main module."""
    told = _prepare(name)
    if getattr(_starting, "ours", False):
        for key in _SCRIPT_KEYS:
            told.pop(key, None)
    return told


class _Process(ForkServerProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:
        # There is no public way. Taking `__main__` out of `sys.modules` for a moment would take it from the user's
        # other threads too, and the moment lasts until the fork server has imported TensorFlow.
        spawn.get_preparation_data = _without_script
        _starting.ours = True
        try:
            return ForkServerProcess._Popen(process_obj)
        finally:
            _starting.ours = False


class ChildContext(ForkServerContext):
    """The context "forkserver" of `multiprocessing`, whose children do not import the main module."""

    Process = _Process
