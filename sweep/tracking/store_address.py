"""The address of the tracking store, and the checks that need no connection. Does not import mlflow."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sweep.errors import TrackingError

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class Address:
    """The address of a tracking store, after the checks of `resolve_address`.

    Attributes:
        uri: the URI for MLflow, with an absolute path for a SQLite file.
        artifacts: file URI for the artifacts of new experiments; None leaves the choice to the server.
        file: the SQLite file; None for a server or another database.
    """

    uri: str
    artifacts: str | None
    file: Path | None = None

    @property
    def is_database_server(self) -> bool:
        """True for a database other than a SQLite file."""
        return self.file is None and _scheme(self.uri) in DATABASES

    @property
    def shown(self) -> str:
        """The URI without its password, for messages and logs."""
        return hide_passwords(self.uri)


def named_store(uri: str | None, environment: Mapping[str, str]) -> str | None:
    """Return the URI of the store that the user has set; None for the local store."""
    return uri or environment.get("MLFLOW_TRACKING_URI") or None


def resolve_address(uri: str | None, environment: Mapping[str, str], home: Path) -> Address:
    """Choose the tracking store: `uri`, else MLFLOW_TRACKING_URI, else `<home>/mlflow/mlflow.db`.

    The folder of a SQLite file is created if missing. Servers are not contacted.

    Raises:
        TrackingError: unknown scheme, no host, a path that is not writable, or a database that is not MLflow's.
    """
    chosen = named_store(uri, environment) or f"sqlite:///{home.absolute() / 'mlflow' / 'mlflow.db'}"
    scheme = _scheme(chosen)
    if scheme in SERVERS:
        return _server(chosen, scheme)
    artifacts = (home.absolute() / "mlflow" / "artifacts").as_uri()
    if scheme == "sqlite":
        return _sqlite(chosen, artifacts)
    return Address(uri=chosen, artifacts=artifacts)


def hide_passwords(text: str) -> str:
    """Return the text with `***` for the passwords in its addresses."""
    return re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", text)


def _scheme(uri: str) -> str:
    if uri == "databricks":
        return uri
    # `postgresql+psycopg2` names the driver after the plus sign.
    scheme = uri.partition("://")[0].partition("+")[0].lower() if "://" in uri else ""
    if scheme not in SERVERS + DATABASES:
        raise TrackingError(
            f"tracking URI {uri!r}: expected one of {', '.join(s + '://' for s in SERVERS + DATABASES)}. "
            "For a file on this machine write sqlite:///path/mlflow.db; for a server http://host:5000."
        )
    return scheme


def _server(uri: str, scheme: str) -> Address:
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TrackingError(f"tracking URI {uri!r}: {error}. Write http://host:5000.") from None
    if scheme != "databricks" and not host:
        raise TrackingError(f"tracking URI {uri!r}: the host is missing. Write http://host:5000.")
    return Address(uri=uri, artifacts=None)


def _sqlite(uri: str, artifacts: str) -> Address:
    head, _, rest = uri.partition(":///")
    name, mark, query = rest.partition("?")
    if name in ("", ":memory:"):
        raise TrackingError(
            f"tracking URI {uri!r}: a database in memory ends with the process. Write sqlite:///path/mlflow.db."
        )
    path = Path(name).absolute()
    _check_writable(path)
    _check_owner(path)
    return Address(uri=f"{head}:///{path}{mark}{query}", artifacts=artifacts, file=path)


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(
            f"{path}: the folder of the tracking database cannot be created: {error}. Choose another folder."
        ) from None
    target = path if path.exists() else path.parent
    if path.is_dir() or not os.access(target, os.W_OK):
        raise TrackingError(f"{path}: the tracking database cannot be written. Choose another folder.")


def _check_owner(path: Path) -> None:
    """Reject other programs' databases: MLflow destroys those that have a table `alembic_version`, such as Optuna's."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.OperationalError:
        return  # A locked database is accepted: another sweep is writing to it.
    except sqlite3.DatabaseError as error:
        raise TrackingError(f"{path}: not a SQLite database: {error}. Choose another file.") from None
    if tables and "experiments" not in tables:
        shown = ", ".join(sorted(tables)[:4])
        raise TrackingError(
            f"{path}: expected MLflow's tables, found tables of another program ({shown}, …). Choose another file."
        )


def short_error(text: str) -> str:
    """Return the text on one line, without passwords. A long text is cut in the middle to keep its end, the cause."""
    line = hide_passwords(" ".join(text.split()))
    return line if len(line) <= 320 else f"{line[:120]} … {line[-200:]}"
