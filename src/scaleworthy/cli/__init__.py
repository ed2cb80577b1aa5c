"""The command line: one file per command; this package only gathers them."""

from scaleworthy.cli.main import main

__all__ = ["main"]
