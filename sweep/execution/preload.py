"""What the fork server imports once, so that each child starts within milliseconds instead of seconds.

Only `multiprocessing.forkserver` imports this module. Nothing here may run a TensorFlow operation or use a GPU: threads
and CUDA contexts do not survive a fork.
"""

from __future__ import annotations

from sweep.execution.fork_server import discard_output
from sweep.records.environment import set_flags

set_flags()

discard_output()  # TensorFlow writes to the terminal while it is imported, at any log level

import sweep.data.loading  # noqa: E402
import sweep.training.train  # noqa: E402, F401
