"""What the fork server imports once, so that each child starts within milliseconds instead of seconds.

Only `multiprocessing.forkserver` imports this module. Nothing here may run a TensorFlow operation or use a GPU: threads
and CUDA contexts do not survive a fork.
"""

from __future__ import annotations

import os

from sweep.records.environment import set_flags

set_flags()

# TensorFlow writes to the terminal while it is imported, at any log level. Children have their own log files.
_devnull = os.open(os.devnull, os.O_WRONLY)
os.dup2(_devnull, 1)
os.dup2(_devnull, 2)
os.close(_devnull)

import sweep.data.loading  # noqa: E402
import sweep.training.train  # noqa: E402, F401
