"""Hyperparameter sweeps for Keras image classifiers.

    import sweep

    study = sweep.run("search_spaces/vgg.yaml", data="digits", trials=12, epochs=6)
    study.best.model()
    study.figures.history()
    sweep.reproduce(study.best)

Heavy packages are imported only when they are needed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweep.api.figures import Figures as Figures
    from sweep.api.functions import reproduce as reproduce
    from sweep.api.functions import run as run
    from sweep.api.study import Study as Study
    from sweep.api.trials import Trial as Trial
    from sweep.api.trials import Trials as Trials
    from sweep.commands.reproduce import Reproduction as Reproduction

__version__ = "0.1.0"

_PLACES = {
    "Figures": "sweep.api.figures",
    "Reproduction": "sweep.commands.reproduce",
    "Study": "sweep.api.study",
    "Trial": "sweep.api.trials",
    "Trials": "sweep.api.trials",
}
_MODULES = ("errors", "reproduce", "run")
"""Attributes that are modules; `run` and `reproduce` are callable (see `callable_module`)."""

__all__ = ["Figures", "Reproduction", "Study", "Trial", "Trials", "errors", "reproduce", "run"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"sweep.{name}")
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'sweep' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
