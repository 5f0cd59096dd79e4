"""Changes to a space file from a command line or a Python call: `--data digits` means `--set data.name=digits`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from sweep.commands.command_line import bad_option
from sweep.errors import UserError
from sweep.space.reader import Override

KEYS = {
    "data": "data.name",
    "limit": "data.limit",
    "epochs": "training.epochs",
    "objective": "search.objective",
    "memory_limit": "search.memory_limit",
}
"""The options and arguments that change a value of the space file, each with the key of this value."""


def overrides_from_options(settings: list[str] | None, **options: str | int | None) -> list[Override]:
    """Return the overrides in order: `--set` first, so that the other options win.

    Args:
        settings: the texts after `--set`.
        options: values of the options in `KEYS`; None if not given.

    Raises:
        typer.BadParameter: a text after `--set` is not of the form KEY=VALUE.
    """
    found = [_setting(text) for text in settings or []]
    given = {name: value for name, value in options.items() if value is not None}
    return found + [
        Override(KEYS[n], _yaml(n, value), f"--{n.replace('_', '-')} {value}") for n, value in given.items()
    ]


def overrides_from_arguments(settings: Mapping[str, object], **arguments: object) -> list[Override]:
    """Return the overrides in order: `settings` first, so that the other arguments win.

    Args:
        settings: values by key, such as `{"training.batch_size": 64}`.
        arguments: values of the arguments in `KEYS`; None if not given.

    Raises:
        UserError: a value cannot be written as YAML.
    """
    found = [Override(key, _yaml(key, value), f"settings[{key!r}]") for key, value in settings.items()]
    given = {name: value for name, value in arguments.items() if value is not None}
    return found + [Override(KEYS[name], _yaml(name, value), f"{name}={value!r}") for name, value in given.items()]


def _setting(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise bad_option("--set", "KEY=VALUE such as training.epochs=20", text)
    return Override(key.strip(), value, f"--set {text}")


def _yaml(name: str, value: object) -> str:
    """Return a value as JSON, which is valid YAML."""
    try:
        return json.dumps(value, default=_json_value)
    except TypeError:
        kind = type(value).__name__
        raise UserError(f"{name}: expected a number, text, list or mapping, not {value!r} ({kind})") from None


def _json_value(value: object) -> object:
    """Convert a path or a NumPy number."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "item"):
        return value.item()
    raise TypeError
