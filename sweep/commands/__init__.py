"""What the command line and the Python API call: a module per command, and what commands share."""
