"""The environment of training: flags to set before TensorFlow is imported, and facts for the records.

This module does not import TensorFlow, because setting the flags after that import has no effect.
"""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "numpy", "optuna", "mlflow", "keras-tuner", "scikit-learn", "pillow", "sweep")
ARITHMETIC = ("tensorflow", "keras", "numpy", "sweep")
"""Packages whose version can change the bits of a result."""
FLAGS = ("TF_ENABLE_ONEDNN_OPTS", "TF_DETERMINISTIC_OPS", "TF_XLA_FLAGS", "CUDA_VISIBLE_DEVICES")


def set_flags() -> None:
    """Set TensorFlow's environment variables unless the user has set them: oneDNN on, logging off."""
    # On AMD processors TensorFlow uses oneDNN only if requested; convolutions without oneDNN take twice as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")


def environment_facts(directory: Path) -> dict[str, str]:
    """Versions, machine, flags and the git commit of `directory`: texts by name."""
    facts = {f"version.{name}": found for name in PACKAGES if (found := _version(name))}
    facts["version.python"] = platform.python_version()
    facts["platform"] = platform.platform()
    facts["cpu"] = _cpu_model()
    facts |= {f"flag.{name}": os.environ[name] for name in FLAGS if name in os.environ}
    commit = _git_commit(directory)
    return {**facts, "git_commit": commit} if commit else facts


def arithmetic_facts() -> dict[str, str]:
    """The facts that decide the bits of a result; a trial must not resume if one of them has changed."""
    facts = {f"version.{name}": found for name in ARITHMETIC if (found := _version(name))}
    # CUDA_VISIBLE_DEVICES is left out: a trial may resume on another GPU of the same machine.
    flags = {f"flag.{name}": os.environ[name] for name in FLAGS if name in os.environ and name.startswith("TF_")}
    return {**facts, **flags, "machine": platform.machine(), "cpu": _cpu_model()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git_commit(directory: Path) -> str | None:
    """The current commit, with `+changes` if tracked files differ from it; None if git does not find one."""
    try:
        head = _git(directory, "rev-parse", "HEAD")
        changed = _git(directory, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changed else head


def _git(directory: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(directory), *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()
