"""The search space: read from YAML, sampled into a `TrialConfig`; pure Python."""
