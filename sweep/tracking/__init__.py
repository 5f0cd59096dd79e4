"""Mirror studies to MLflow, where people can view them. No other room imports MLflow."""
