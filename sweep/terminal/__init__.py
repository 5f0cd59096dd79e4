"""What one sees in a terminal: live display, plain lines, tables."""
