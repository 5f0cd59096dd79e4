"""Judging records: pure functions from records to findings."""
