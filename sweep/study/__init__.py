"""The study, the only room that imports Optuna: it requests trials and reports epochs and results."""
