"""Prove the generator on this machine: the same engine, plans and summaries that users run, against servers of known behaviour.

    for line in selftest(quick=True): ...

`text.table` shows the lines, `scaleworthy selftest` is the command.
"""

from __future__ import annotations
