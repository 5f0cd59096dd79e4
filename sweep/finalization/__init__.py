"""From the best trials to one model and an honest number: repeats, the last training, the one look at the test set."""
