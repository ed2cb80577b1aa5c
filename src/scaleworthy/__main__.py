"""`python -m scaleworthy` is the `scaleworthy` command."""

from scaleworthy.cli import main

main()
