"""Scaleworthy: find where a backend stops scaling, what limits it, and what to change first."""

from scaleworthy._native import __version__

__all__ = ["__version__"]
