"""Callable modules: `sweep.run(…)` is a function, and `python -m sweep.run` is a command.

Importing the module `sweep.run` replaces the package's function `run` by the module, so the module must be callable.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast


class _CallableModule(ModuleType):
    __wrapped__: Callable[..., Any]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.__wrapped__(*arguments, **options)


def make_callable(module: str, function: Callable[..., Any]) -> None:
    """Make a module callable as a function, with its signature and documentation.

    Args:
        module: name of the module; `__main__` (with `python -m`) is left unchanged.
        function: the function to call.
    """
    if module == "__main__":
        return
    found = cast(_CallableModule, sys.modules[module])
    found.__class__ = _CallableModule
    found.__wrapped__ = function  # `inspect` and IPython find the signature here
    found.__doc__ = function.__doc__
