from __future__ import annotations

import pytest

from sweep.errors import FailureCause, SpaceError
from sweep.space.config import FailurePolicy, FailuresConfig, RetryPolicy
from sweep.study.failure_policies import decide, is_infeasible
from tests.fakes import make_space


@pytest.mark.parametrize("cause", ["nan", "killed", "bug"])
@pytest.mark.parametrize("policy", ["infeasible", "prune", "fail", "stop"])
def test_a_policy_other_than_retry_applies_to_any_cause(cause: FailureCause, policy: FailurePolicy) -> None:
    assert decide(cause, FailuresConfig(**{cause: policy}), retries=0) == policy


@pytest.mark.parametrize(
    ("cause", "retries", "action"),
    [
        ("killed", 0, "retry"),
        ("killed", 1, "retry"),
        ("killed", 2, "fail"),
        ("bug", 2, "fail"),
        ("oom", 1, "retry"),
        ("oom", 2, "infeasible"),
        ("nan", 3, "infeasible"),
    ],
)
def test_after_its_retries_a_trial_ends_as_by_default_for_its_cause(
    cause: FailureCause, retries: int, action: str
) -> None:
    assert decide(cause, FailuresConfig(**{cause: RetryPolicy(2)}), retries) == action


def test_every_cause_has_a_policy_by_default() -> None:
    defaults = FailuresConfig()
    causes: tuple[FailureCause, ...] = ("nan", "oom", "too_large", "infeasible", "timeout", "killed", "data", "bug")
    assert [getattr(defaults, cause) for cause in causes] == [
        "infeasible", "infeasible", "infeasible", "infeasible", "fail", RetryPolicy(3), "stop", "fail",
    ]  # fmt: skip


def test_the_sampler_keeps_away_only_from_what_the_policy_calls_infeasible() -> None:
    failures = FailuresConfig(nan="fail", timeout="infeasible", oom=RetryPolicy(1), killed=RetryPolicy(1))
    reasons = ("nan", "timeout", "oom", "killed", "too_large", "early stopping", "")
    assert [is_infeasible(reason, failures) for reason in reasons] == [False, True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("failures: {nan: retry}", '`nan` must be one of infeasible, prune, fail, stop or {retry: …}, not "retry"'),
        ("failures: {nan: {retry: 0}}", "`retry` must be an integer, at least 1, not 0"),
        ("failures: {nan: {again: 1}}", "unknown key `again` in `search.failures.nan`; valid keys: retry"),
        ("failures: {segfault: fail}", "unknown key `segfault` in `search.failures`; valid keys: nan, oom, too_large,"),
        ("failures: {nan: [fail, stop]}", "`nan` takes one value for the whole study: one of infeasible, prune,"),
        (
            "failures: stop",
            '`failures` must be a mapping, not "stop"; its keys are nan, oom, too_large, infeasible',
        ),
        ("memory_limit: 4X", '`memory_limit` must be text, like 512M or 4G, or null, not "4X"'),
        ("memory_limit: 4", "`memory_limit` must be text, like 512M or 4G, or null, not 4"),
        ("watchdog: -1", "`watchdog` must be a number, at least 0, not -1"),
    ],
)
def test_an_invalid_policy_is_a_fault_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(SpaceError) as caught:
        make_space(search=text)
    assert str(caught.value).startswith("demo.yaml:7:")
    assert fault in str(caught.value)
