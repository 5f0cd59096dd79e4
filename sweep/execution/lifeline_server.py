"""Ties the fork server to the supervisor: imported by the fork server alone, before anything heavy."""

from __future__ import annotations

from sweep.execution import lifeline

lifeline.tie()
