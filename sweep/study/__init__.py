"""The study, the only room that imports Optuna: it asks Optuna for trials and reports their epochs and results."""
