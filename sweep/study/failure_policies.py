"""Decide what happens to a failed trial, from the cause of the failure, the study's policies and the retries so far."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

from sweep.errors import FailureCause
from sweep.space.config import FailurePolicy, FailuresConfig, RetryPolicy

Action: TypeAlias = Literal["retry", "infeasible", "prune", "fail", "stop"]
"""`retry` runs the trial again; for the other actions see `FailurePolicy`."""

_CAUSED_BY_VALUES = ("nan", "oom", "too_large", "infeasible")
"""Causes that depend on the sampled values: when no retry is left, the sampler learns to avoid these values."""


def decide(cause: FailureCause, failures: FailuresConfig, retries: float) -> Action:
    """Return what to do with a failed trial.

    Args:
        cause: why the trial failed.
        failures: the study's policies.
        retries: the number of retries since the trial last finished a new epoch.
    """
    policy: FailurePolicy = getattr(failures, cause)
    if not isinstance(policy, RetryPolicy):
        return policy
    if retries < policy.retry:
        return "retry"
    return "infeasible" if cause in _CAUSED_BY_VALUES else "fail"


def is_infeasible(reason: str, failures: FailuresConfig) -> bool:
    """True if the sampler must avoid the values of a trial that failed for this reason."""
    causes: tuple[FailureCause, ...] = get_args(FailureCause)
    return any(reason == cause and decide(cause, failures, retries=math.inf) == "infeasible" for cause in causes)
