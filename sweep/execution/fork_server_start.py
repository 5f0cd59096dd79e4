"""Let the fork server end with the supervisor. Only the fork server imports this module, before anything heavy."""

from __future__ import annotations

import signal

from sweep.execution import parent_death

# Ctrl-C reaches every process of the terminal. Ignore it now: `multiprocessing` does so only after long imports.
signal.signal(signal.SIGINT, signal.SIG_IGN)
parent_death.die_with_parent()
