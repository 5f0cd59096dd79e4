"""From the best trials to one tested model: repeats, the final training, and one evaluation on the test set."""
