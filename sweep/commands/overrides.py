"""Command-line options that change the space file: `--data digits` is `--set data.name=digits`."""

from __future__ import annotations

from sweep.commands.command_line import bad_option
from sweep.space.reader import Override


def overrides(settings: list[str] | None, **shortcuts: tuple[str, str | None]) -> list[Override]:
    """All overrides in order, `--set` first, so that the plain options win.

    Args:
        settings: the texts given with `--set`.
        shortcuts: by option name, the key that it sets and the text given, None if it was not.

    Raises:
        typer.BadParameter: a setting is not of the form key=value.
    """
    found = [_setting(text) for text in settings or []]
    for option, (key, text) in shortcuts.items():
        if text is not None:
            found.append(Override(key, text, f"--{option.replace('_', '-')} {text}"))
    return found


def _setting(text: str) -> Override:
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise bad_option("--set", "KEY=VALUE such as training.epochs=20", text)
    return Override(key.strip(), value, f"--set {text}")
