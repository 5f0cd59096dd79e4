"""The study: the only room that names Optuna. Asks, reports, tells, keeps the records."""
