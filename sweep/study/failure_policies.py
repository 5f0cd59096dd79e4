"""What happens to a failed trial: pure decisions from its cause and the study's policies."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from sweep.errors import FailureCause
from sweep.space.config import FailurePolicy, FailuresConfig, RetryPolicy

Action: TypeAlias = Literal["retry", "infeasible", "prune", "fail", "stop"]
"""`retry` runs the trial again; the others are the words of `FailurePolicy`."""

CAUSES: tuple[FailureCause, ...] = get_args(FailureCause)
_CAUSED_BY_VALUES = ("nan", "oom", "too_large", "infeasible")
"""Failures that the sampled values cause: by default the sampler learns to avoid such values."""


def decide(cause: FailureCause, policy: FailurePolicy, retries: int) -> Action:
    """Return what to do with a failed trial.

    Args:
        cause: why it failed.
        policy: the study's policy for this cause.
        retries: how often the trial was run again since it last finished a new epoch.
    """
    return "retry" if isinstance(policy, RetryPolicy) and retries < policy.retry else _final_action(cause, policy)


def _final_action(cause: FailureCause, policy: FailurePolicy) -> Action:
    """Return what to do with a failed trial that does not run again."""
    if isinstance(policy, RetryPolicy):
        return "infeasible" if cause in _CAUSED_BY_VALUES else "fail"
    return policy


def policy_of(cause: FailureCause, failures: FailuresConfig) -> FailurePolicy:
    """Return the study's policy for a cause."""
    policy: FailurePolicy = getattr(failures, cause)
    return policy


def is_infeasible(reason: str, failures: FailuresConfig) -> bool:
    """True if the sampler must avoid the values of a trial that failed for this reason."""
    return any(reason == cause and _final_action(cause, policy_of(cause, failures)) == "infeasible" for cause in CAUSES)
