"""Values on disk and their readers: trial records, final results, checkpoints, locks. No Optuna, Keras or MLflow."""
