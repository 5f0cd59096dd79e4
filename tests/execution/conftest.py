from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import forkserver
from typing import Any

import pytest


@pytest.fixture(scope="session")
def light_fork_server() -> Iterator[None]:
    """A fork server without TensorFlow. Earlier and later tests of this process use a server with TensorFlow."""
    server: Any = forkserver._forkserver
    server._stop()
    yield
    server._stop()
