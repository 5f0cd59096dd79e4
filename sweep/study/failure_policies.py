"""What is done with a trial that failed: pure decisions from its cause and the study's policies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from sweep.errors import FailureCause
from sweep.space.config import FailurePolicy, FailuresConfig, RetryPolicy

Action: TypeAlias = Literal["retry", "infeasible", "prune", "fail", "stop"]
"""`retry` runs the trial again; the others are those of `FailurePolicy`."""

CAUSES: tuple[FailureCause, ...] = get_args(FailureCause)
_FROM_THE_POINT = ("nan", "oom", "too_large", "infeasible")
"""Failures that come from the sampled point: by default the sampler is told to keep away from it."""


def decide(cause: FailureCause, policy: FailurePolicy, retries: int) -> Action:
    """What to do with a failed trial.

    Args:
        cause: why it failed.
        policy: of the cause.
        retries: how often the trial has been run again since it last finished an epoch.
    """
    return "retry" if isinstance(policy, RetryPolicy) and retries < policy.retry else _ending(cause, policy)


def _ending(cause: FailureCause, policy: FailurePolicy) -> Action:
    """How a trial ends that is not run again."""
    if isinstance(policy, RetryPolicy):
        return "infeasible" if cause in _FROM_THE_POINT else "fail"
    return policy


def policy_of(cause: FailureCause, failures: FailuresConfig) -> FailurePolicy:
    """The study's policy for a cause."""
    policy: FailurePolicy = getattr(failures, cause)
    return policy


def is_infeasible(reason: str, failures: FailuresConfig) -> bool:
    """Whether the sampler must keep away from a trial that failed with this reason."""
    return any(reason == cause and _ending(cause, policy_of(cause, failures)) == "infeasible" for cause in CAUSES)


@dataclass
class Retries:
    """Counts in vain retries: those that did not get a trial beyond the epochs that it had reached before."""

    _reached: dict[int, int] = field(default_factory=dict)
    _made: dict[int, int] = field(default_factory=dict)

    def in_vain(self, number: int, epochs: int) -> int:
        """How often the failed trial has been run again since it last got further.

        Args:
            number: of the trial.
            epochs: that it has finished now.
        """
        if epochs > self._reached.get(number, 0):
            self._reached[number] = epochs
            self._made.pop(number, None)
        return self._made.get(number, 0)

    def made(self, number: int) -> None:
        """The trial is run once more."""
        self._made[number] = self._made.get(number, 0) + 1

    def forget(self, number: int) -> None:
        """The trial has ended."""
        self._reached.pop(number, None)
        self._made.pop(number, None)
