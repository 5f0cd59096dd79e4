"""What the fork server imports once, so that each child starts within milliseconds instead of seconds.

Imported by `multiprocessing.forkserver` alone. Nothing here may run a TensorFlow operation or touch a GPU: threads and
CUDA contexts do not survive a fork.
"""

from __future__ import annotations

import os

from sweep.records.environment import set_flags

set_flags()

# TensorFlow writes to the terminal while it is imported, whatever the log level. Children have their own log files.
_nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 1)
os.dup2(_nowhere, 2)
os.close(_nowhere)

import sweep.data.loading  # noqa: E402
import sweep.training.train  # noqa: E402, F401
