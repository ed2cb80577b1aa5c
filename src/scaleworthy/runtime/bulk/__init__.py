"""Bulk: many rows at once, by the quickest way there is, with a reason for each row that is not in; pages behind a key."""

from scaleworthy.errors import MissingExtra

try:
    import psycopg_pool  # noqa: F401 - before what is below needs it, so that the error says what to install
except ImportError as error:
    raise MissingExtra("runtime", needed_for="the bulk part") from error

from scaleworthy.runtime.bulk.coalesce import CoalescerStatistics, InsertCoalescer, Overloaded
from scaleworthy.runtime.bulk.create import OnConflict, bulk_create
from scaleworthy.runtime.bulk.joined import LeftOut
from scaleworthy.runtime.bulk.keyset import Keyset, Position, Shown
from scaleworthy.runtime.bulk.outcome import Failure, Outcome
from scaleworthy.runtime.bulk.update import bulk_update

__all__ = [
    "CoalescerStatistics",
    "Failure",
    "InsertCoalescer",
    "Keyset",
    "LeftOut",
    "OnConflict",
    "Outcome",
    "Overloaded",
    "Position",
    "Shown",
    "bulk_create",
    "bulk_update",
]
