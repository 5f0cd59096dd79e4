"""The public name of `sweep.bridges.to_keras_tuner`: `from sweep.models.keras_tuner import hypermodel, objective_of`.

The names are imported at their first use: `sweep.bridges` imports `sweep.models`, so an import here would be circular.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["SpaceHyperModel", "decoded", "encoded", "hypermodel", "objective_of"]  # noqa: F822 - see __getattr__


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("sweep.bridges.to_keras_tuner"), name)


def __dir__() -> list[str]:
    return [*__all__]
