"""Importing and calling the user's own modules, with errors that show only the user's own frames."""

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

from sweep.errors import ModelError
from sweep.records.image_facts import ImageFacts
from sweep.space.model_sections import UserModelConfig
from sweep.space.pinned_files import changed_source, find_module_source

_PACKAGE = Path(__file__).parents[1]


def load_user_code(section: UserModelConfig) -> Any:
    """Return the function, class or instance that a section refers to.

    Raises:
        ModelError: the module is missing, has changed, cannot be imported or lacks the name.
    """
    reference = section.reference
    module_name, name = reference.split(":")
    changed = changed_source(section)
    if changed:
        raise ModelError(f"{changed}; restore the file, or start another study with the new file")
    try:
        module = _import(module_name, section.folder)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ModelError(f"{reference} cannot be imported:\n{user_frames(error)}") from error
    if not hasattr(module, name):
        raise ModelError(f"{reference}: {module.__file__} has no `{name}` after its import")
    return getattr(module, name)


def _import(module: str, folder: str | None) -> ModuleType:
    """Import a module. The space file's folder is searched first, also for the modules that this one imports."""
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
        raise ImportError(f"{path} is not a Python module")
    made = importlib.util.module_from_spec(spec)
    sys.modules[module] = made
    try:
        spec.loader.exec_module(made)
    except BaseException:
        del sys.modules[module]  # otherwise the next import would find an incomplete module
        raise
    return made


def user_frames(error: BaseException) -> str:
    """Return the traceback without the frames of sweep, of installed packages and of Python itself."""
    foreign = [f"{_PACKAGE}/", *{sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib")}, "<frozen"]
    shown = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = shown
    while part is not None:
        own = [frame for frame in part.stack if not any(frame.filename.startswith(place) for place in foreign)]
        part.stack = traceback.StackSummary.from_list(own)
        part = part.__cause__ or part.__context__
    return "".join(shown.format()).rstrip()


def given_facts(facts: ImageFacts, seed: int) -> dict[str, Any]:
    """Return, by parameter name, what sweep passes to a user's builder, except the tensor `inputs`; see `GIVEN`."""
    return {"input_shape": facts.shape, "classes": facts.classes, "num_classes": facts.classes, "seed": seed}


def call_user_code(function: Callable[..., Any], reference: str, arguments: Mapping[str, Any]) -> Any:
    """Return the result of the user's function.

    Raises:
        ModelError: the function raised an exception; the message has the user's own frames.
    """
    try:
        return function(**arguments)
    except Exception as error:
        raise ModelError(f"{reference} failed:\n{user_frames(error)}") from error
