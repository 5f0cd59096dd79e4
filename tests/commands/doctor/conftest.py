"""The folder of images that the doctor finds nothing wrong with."""

from __future__ import annotations

from tests.image_checks.conftest import healthy

__all__ = ["healthy"]
