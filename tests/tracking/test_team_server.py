"""The compose file of the team's server, checked without an engine that runs it."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "mlflow"


@pytest.fixture
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(FOLDER / "compose.yaml")
    return loaded


def test_every_image_has_its_version_and_the_server_the_one_that_is_tested_here(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert f"mlflow=={version('mlflow')} psycopg2-binary==" in services["server"]["build"]["dockerfile_inline"]
    assert re.fullmatch(r"postgres:\d+\.\d+-bookworm", services["database"]["image"])


def test_only_this_machine_reaches_the_server_and_nothing_else_the_database(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [port.startswith("127.0.0.1:") for port in services["server"]["ports"]] == [True]
    assert "ports" not in services["database"]
    assert services["database"]["networks"] == ["inside"]
    assert compose["networks"]["inside"]["internal"] is True


def test_the_server_runs_no_jobs_unpickles_nothing_and_sends_no_telemetry(compose: dict[str, Any]) -> None:
    environment = compose["services"]["server"]["environment"]
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_what_is_kept_is_in_volumes_that_are_declared(compose: dict[str, Any]) -> None:
    used = {mount.partition(":")[0] for service in compose["services"].values() for mount in service["volumes"]}
    assert used == compose["volumes"].keys() == {"database", "artifacts"}


def test_the_example_sets_every_variable_and_no_password(compose: dict[str, Any]) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    example = dict(
        line.partition("=")[::2] for line in (FOLDER / "team.env.example").read_text().splitlines() if "=" in line[:30]
    )
    example = {key: value for key, value in example.items() if not key.startswith("#")}
    assert set(re.findall(r"\$\{(\w+)", text)) == example.keys()
    assert example["POSTGRES_PASSWORD"] == ""
    assert compose["services"]["database"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
