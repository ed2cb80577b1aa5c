"""What was measured: series of slices, where they are kept, and what should hold of them."""

from scaleworthy._native import Histogram
from scaleworthy.series.model import Event, Kind, SeriesKey, Slice
from scaleworthy.series.store import Store
from scaleworthy.series.stores.memory import MemoryStore
from scaleworthy.series.stores.sqlite import Recording

__all__ = ["Event", "Histogram", "Kind", "MemoryStore", "Recording", "SeriesKey", "Slice", "Store"]
