"""Read and write a study's files: records, results, checkpoints, locks. Does not import Optuna, Keras or MLflow."""
