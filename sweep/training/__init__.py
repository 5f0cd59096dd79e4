"""Training one trial. Imports neither Optuna nor MLflow."""
