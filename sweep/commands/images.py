"""The images of a command: decoded once, with a progress bar where that takes time."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from sweep.data.cache import Prepared
from sweep.data.loading import load
from sweep.data.preparation import prepare
from sweep.execution.supervisor import TrialSetting
from sweep.records.environment import environment_facts
from sweep.records.home import Home
from sweep.space.config import DataConfig
from sweep.space.space import Space
from sweep.terminal.console import reading_bar


def prepare_setting(space: Space, home: Home, console: Console) -> TrialSetting:
    """Decode the images (once) and find out what the trials will see.

    Raises:
        DataError: the images cannot be used.
    """
    prepared = prepare_images(space.data, home.cache, console)
    return TrialSetting(prepared, load(prepared, space.data).stamp, environment_facts(home.root))


def prepare_images(config: DataConfig, cache: Path, console: Console) -> Prepared:
    """`sweep.data.preparation.prepare` with a progress bar where it takes time."""
    with reading_bar(console, f"reading {Path(config.name).name}") as advance:
        return prepare(config, cache, advance)
