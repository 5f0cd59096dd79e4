"""Bridges to other tools: a search space for KerasTuner's tuners."""
