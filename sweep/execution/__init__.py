"""Running trials: the supervisor's loop, and the executors that train in other processes."""
