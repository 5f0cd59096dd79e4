from sweep.training.tf_determinism import use_threads

use_threads(1)  # before anything runs: TensorFlow takes the count only once per process
