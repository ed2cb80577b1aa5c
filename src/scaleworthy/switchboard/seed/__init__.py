"""Fill an empty database with a plausible year of tenants' work: the same data for the same size, seed and date."""

from scaleworthy.switchboard.seed.fill import is_empty, seed_database
from scaleworthy.switchboard.seed.size import SIZES, Size, size_named

__all__ = ["SIZES", "Size", "is_empty", "seed_database", "size_named"]
