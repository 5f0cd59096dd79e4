"""The commands, for the command line and the Python API: a module per command, and what commands share."""
