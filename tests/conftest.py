"""Settings of all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# By default an example may take 0.2 s, and their making one second: a busy machine takes more.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
