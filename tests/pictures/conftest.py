"""The records that learning curves are drawn from."""

from __future__ import annotations

from tests.tracking.conftest import make_record

__all__ = ["make_record"]
