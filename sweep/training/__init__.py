"""Training one trial. Knows neither Optuna nor MLflow."""
