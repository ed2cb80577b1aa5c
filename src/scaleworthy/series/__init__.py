"""What was measured: series of slices, where they are kept, and what should hold of them."""

from scaleworthy._native import Histogram
from scaleworthy.series.model import Event, Kind, SeriesKey, Slice
from scaleworthy.series.objective import Objective, Outcome
from scaleworthy.series.rollup import roll_up
from scaleworthy.series.store import Store
from scaleworthy.series.stores.memory import MemoryStore
from scaleworthy.series.stores.sqlite import Recording

__all__ = [
    "Event",
    "Histogram",
    "Kind",
    "MemoryStore",
    "Objective",
    "Outcome",
    "Recording",
    "SeriesKey",
    "Slice",
    "Store",
    "roll_up",
]
