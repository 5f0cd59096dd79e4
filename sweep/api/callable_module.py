"""A module that can be called: `sweep.run(…)` is a function, while `python -m sweep.run` stays a command.

Importing the command's module puts the module into the package under the function's name. So the module is both.
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
    """Let calls of a module be calls of a function, whose signature and documentation it shows.

    Args:
        module: its name; that of the main program stays as it is.
        function: what is called.
    """
    if module == "__main__":
        return
    found = cast(_CallableModule, sys.modules[module])
    found.__class__ = _CallableModule
    found.__wrapped__ = function  # where `inspect` and IPython look for the signature
    found.__doc__ = function.__doc__
