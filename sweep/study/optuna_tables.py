"""Direct access to Optuna's tables, for the two calls of Optuna's own storage that are too slow.

`RDBStorage` needs 1.7 ms and 60 KB to read a trial of 20 epochs, which is too much for a study of 10,000 trials, and
1.8 ms to write an epoch's value. Optuna checks the version of the tables when it opens a database.
"""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection

_SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
"""The values that Optuna stores by name, because a database has no numbers for them."""


def read_trials(connection: Connection, study_id: int) -> Iterator[FrozenTrial]:
    """Yield the trials of a study by number; equal to those of `RDBStorage.get_all_trials`."""
    distribution = functools.cache(json_to_distribution)  # the trials of a study share a few distributions
    params = _by_trial(connection, "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params")
    values = _by_trial(connection, "SELECT trial_id, value, value_type FROM trial_values")
    steps = _by_trial(
        connection,
        "SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values",
    )
    user = _by_trial(connection, "SELECT trial_id, key, value_json FROM trial_user_attributes")
    system = _by_trial(connection, "SELECT trial_id, key, value_json FROM trial_system_attributes")
    rows = connection.exec_driver_sql(
        "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials WHERE study_id = ? "
        "ORDER BY number",
        (study_id,),
    )
    for trial_id, number, state, started, completed in rows:
        distributions = {name: distribution(text) for name, _, text in params[trial_id]}
        yield FrozenTrial(
            number=number,
            state=TrialState[state],
            value=next((_number(value, kind) for value, kind in values[trial_id]), None),
            datetime_start=_local(started),
            datetime_complete=_local(completed),
            params={name: distributions[name].to_external_repr(value) for name, value, _ in params[trial_id]},
            distributions=distributions,
            user_attrs={key: json.loads(text) for key, text in user[trial_id]},
            system_attrs={key: json.loads(text) for key, text in system[trial_id]},
            intermediate_values={step: _number(value, kind) for step, value, kind in steps[trial_id]},
            trial_id=trial_id,
        )


def write_value(connection: Connection, trial_id: int, step: int, value: float) -> None:
    """Store the finite value of an epoch, in the connection's transaction."""
    connection.exec_driver_sql(
        "INSERT OR REPLACE INTO trial_intermediate_values "
        "(trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, 'FINITE')",
        (trial_id, step, value),
    )


def _by_trial(connection: Connection, query: str) -> defaultdict[int, list[tuple[Any, ...]]]:
    """Return the rows of a query without their first column, by the first column; in the order of insertion."""
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for trial_id, *row in connection.exec_driver_sql(f"{query} ORDER BY rowid"):
        found[trial_id].append(tuple(row))
    return found


def _number(value: float | None, kind: str) -> float:
    return _SPECIAL[kind] if value is None else value


def _local(text: str | None) -> datetime | None:
    """Return a stored time, which is in UTC, as Optuna does: in local time without a time zone."""
    if text is None:
        return None
    return datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
