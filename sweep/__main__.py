"""`python -m sweep COMMAND`."""

from sweep.cli import main

main()
