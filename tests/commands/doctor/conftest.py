"""A folder of images without problems."""

from __future__ import annotations

from tests.image_checks.conftest import healthy

__all__ = ["healthy"]
