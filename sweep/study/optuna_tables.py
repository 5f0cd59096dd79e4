"""Direct access to Optuna's tables, for the calls of Optuna's own storage that are too slow.

`RDBStorage` needs 1.7 ms and 60 KB to read a trial of 20 epochs, and 60 ms to write one, which is too much for a study
of 10,000 trials; and 1.8 ms to write an epoch's value. Optuna checks the version of the tables when it opens a
database.
"""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection

_SPECIAL = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
"""The values that Optuna stores by name, because a database has no numbers for them."""


def read_trials(connection: Connection, study_id: int) -> Iterator[FrozenTrial]:
    """Yield the trials of a study by number; equal to those of `RDBStorage.get_all_trials`.

    Raises:
        KeyError, TypeError, ValueError: the tables have values that Optuna does not write.
    """
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


def write_trials(connection: Connection, study_id: int, trials: Sequence[FrozenTrial]) -> list[int]:
    """Add trials to a study in the connection's transaction, numbered after its other trials; return their ids.

    `read_trials` then yields equal trials, except for their numbers and ids.
    """
    (number,) = connection.exec_driver_sql("SELECT COUNT(*) FROM trials WHERE study_id = ?", (study_id,)).one()
    (last,) = connection.exec_driver_sql("SELECT COALESCE(MAX(trial_id), 0) FROM trials").one()
    ids = list(range(last + 1, last + 1 + len(trials)))
    text, pairs = functools.cache(distribution_to_json), list(zip(ids, trials, strict=True))
    tables: dict[str, list[tuple[Any, ...]]] = {
        "trials (trial_id, number, study_id, state, datetime_start, datetime_complete)": [
            (
                n,
                number + n - ids[0],
                study_id,
                trial.state.name,
                _utc(trial.datetime_start),
                _utc(trial.datetime_complete),
            )
            for n, trial in pairs
        ],
        "trial_values (trial_id, objective, value, value_type)": [
            (n, 0, *_stored(trial.value)) for n, trial in pairs if trial.value is not None
        ],
        "trial_params (trial_id, param_name, param_value, distribution_json)": [
            (n, name, allowed.to_internal_repr(trial.params[name]), text(allowed))
            for n, trial in pairs
            for name, allowed in trial.distributions.items()
        ],
        "trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type)": [
            (n, step, *_stored(value)) for n, trial in pairs for step, value in trial.intermediate_values.items()
        ],
        "trial_user_attributes (trial_id, key, value_json)": [
            (n, key, json.dumps(value)) for n, trial in pairs for key, value in trial.user_attrs.items()
        ],
        "trial_system_attributes (trial_id, key, value_json)": [
            (n, key, json.dumps(value)) for n, trial in pairs for key, value in trial.system_attrs.items()
        ],
    }
    for table, rows in tables.items():
        if rows:
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
    return ids


def has_started_trials(connection: Connection) -> bool:
    """True if the database has a trial that does not wait for its start."""
    return connection.exec_driver_sql("SELECT 1 FROM trials WHERE state != 'WAITING' LIMIT 1").first() is not None


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


def _stored(value: float) -> tuple[float | None, str]:
    """Return a number and its type as Optuna stores them; see `_SPECIAL`."""
    if math.isfinite(value):
        return value, "FINITE"
    return None, "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"


def _utc(time: datetime | None) -> str | None:
    """Return the text that `_local` reads."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
