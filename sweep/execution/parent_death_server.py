"""Ties the fork server to the supervisor: imported by the fork server alone, before anything heavy."""

from __future__ import annotations

import signal

from sweep.execution import parent_death

# Ctrl-C goes to every process of the terminal, and the server takes no notice of it only when it has imported all.
signal.signal(signal.SIGINT, signal.SIG_IGN)
parent_death.die_with_parent()
