"""Watch a service: the same load again and again, its history, and an alarm where a run falls out of it."""

from scaleworthy.load.watch.detect import Regression, regressions
from scaleworthy.load.watch.history import Figures, History, Run
from scaleworthy.load.watch.loop import Watch

__all__ = ["Figures", "History", "Regression", "Run", "Watch", "regressions"]
