"""Read and write the files of a study: records, final results, checkpoints, locks. Without Optuna, Keras and MLflow."""
