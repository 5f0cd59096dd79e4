"""Importing the user's own modules, and telling of their failures by the user's own frames."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import sysconfig
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from sweep.errors import ModelError
from sweep.records.image_facts import ImageFacts
from sweep.space.pinned_files import changed_source, find_module_source
from sweep.space.user_model_configs import UserModelConfig

_PACKAGE = Path(__file__).parents[1]


def load_user_code(section: UserModelConfig) -> Any:
    """What a section refers to: a function, a class, an instance.

    Raises:
        ModelError: the module is gone, is another one than was meant, cannot be imported or lacks the name.
    """
    reference = section.reference
    module_name, name = reference.split(":")
    changed = changed_source(section)
    if changed:
        raise ModelError(f"{changed}; restore the file, or start another study with the new one")
    try:
        module = _import(module_name, section.folder)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ModelError(f"{reference} cannot be imported:\n{user_frames(error)}") from error
    if not hasattr(module, name):
        raise ModelError(f"{reference}: {module.__file__} has no `{name}` once it is imported")
    return getattr(module, name)


def _import(module: str, folder: str | None) -> ModuleType:
    """A module beside the space file goes before an installed one of its name; its neighbours can be imported too."""
    if folder is None:
        return importlib.import_module(module)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    path, _ = find_module_source(module, Path(folder))
    known = sys.modules.get(module)
    if known is not None and known.__file__ == str(path):
        return known
    if "." in module or path.name == "__init__.py":
        return importlib.import_module(module)
    spec = importlib.util.spec_from_file_location(module, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[module]  # else the next import would find half of it
        raise
    return made


def user_frames(error: BaseException) -> str:
    """The traceback without the frames of sweep, of installed packages and of Python itself."""
    foreign = [f"{_PACKAGE}/", *{sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib")}, "<frozen"]
    told = traceback.TracebackException.from_exception(error)
    here: traceback.TracebackException | None = told
    while here is not None:
        own = [frame for frame in here.stack if not any(frame.filename.startswith(place) for place in foreign)]
        here.stack = traceback.StackSummary.from_list(own)
        here = here.__cause__ or here.__context__
    return "".join(told.format()).rstrip()


def given_facts(facts: ImageFacts, seed: int) -> dict[str, Any]:
    """What a builder gets if it asks for it by the parameter's name, without `inputs`; see `GIVEN`."""
    return {"input_shape": facts.shape, "classes": facts.classes, "num_classes": facts.classes, "seed": seed}


def call_user_code(function: Callable[..., Any], reference: str, arguments: Mapping[str, Any]) -> Any:
    """The result of the user's function.

    Raises:
        ModelError: it raised; with the user's own frames.
    """
    try:
        return function(**arguments)
    except Exception as error:
        raise ModelError(f"{reference} failed:\n{user_frames(error)}") from error


def check_outputs(shape: tuple[Any, ...], facts: ImageFacts, reference: str) -> None:
    """A classifier gives a number per class.

    Raises:
        ModelError: this one does not.
    """
    if tuple(shape[1:]) != (facts.classes,):
        raise ModelError(
            f"{reference} gives outputs of shape {tuple(shape)}; expected (batch, {facts.classes}), a number per class"
        )


def has_schedule(model: keras.Model) -> bool:
    """Whether its optimizer was made with a schedule, so that nobody can give it another rate."""
    return isinstance(model.optimizer.get_config().get("learning_rate"), dict)


def is_compiled(model: keras.Model) -> bool:
    """Whether the user has compiled it."""
    return bool(getattr(model, "compiled", False))
