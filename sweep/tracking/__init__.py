"""A view of the study for people: the only room that imports MLflow."""
