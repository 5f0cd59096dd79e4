"""Output on the terminal: live display, plain lines, tables."""
