"""Results for other tools: files by their ending, and services by their URL."""

from scaleworthy.load.results.export import FORMATS, check_exports, export
from scaleworthy.load.results.push import Push, check_push
from scaleworthy.load.results.table import series_rows, to_arrow

__all__ = ["FORMATS", "Push", "check_exports", "check_push", "export", "series_rows", "to_arrow"]
