"""The study: the only room that imports Optuna. Requests trials, reports epochs and results."""
