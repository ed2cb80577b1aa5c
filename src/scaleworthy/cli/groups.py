"""The groups of options in the help of load and find-limit: what a user decides, in the order of deciding."""

from __future__ import annotations

from cyclopts import Group

SHAPE = Group("Shape", sort_key=1)
SEARCH = Group("Search", sort_key=2)
RESULT = Group("Result", sort_key=3)
