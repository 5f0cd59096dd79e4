"""Values on disk and their readers: a trial's record, a study's result, locks. No Optuna, Keras or MLflow."""
