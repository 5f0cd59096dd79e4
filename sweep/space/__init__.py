"""The search space: what may vary, read from YAML, sampled into a `TrialConfig`; pure."""
