"""Read a database as it is, conclude what holds it back, and prove what would mend it.

A user's database is only ever read. `prove="copy"` tries advice on a copy in an embedded server; `prove="here"` tries it
inside a transaction that is rolled back, for a database that the caller owns.
"""

from scaleworthy.errors import MissingExtra

try:
    import pglast as _pglast
    import psycopg as _psycopg
except ImportError as error:  # pragma: no cover - needs an environment without the extra
    raise MissingExtra("postgres", needed_for="the database audit") from error

from scaleworthy.audit.apply import apply_fix
from scaleworthy.audit.check import Check, discover
from scaleworthy.audit.evidence import Evidence, Gap, read_evidence
from scaleworthy.audit.runner import run_audit

del _pglast, _psycopg

__all__ = ["Check", "Evidence", "Gap", "apply_fix", "discover", "read_evidence", "run_audit"]
