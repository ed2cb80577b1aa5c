"""What the checks look at: one database, read once, read-only, plus what a recording measured."""

from scaleworthy.audit.evidence.model import (
    Column,
    Evidence,
    ForeignKey,
    Gap,
    Index,
    Policy,
    Role,
    Sequence,
    Server,
    Session,
    Setting,
    Statement,
    Table,
)
from scaleworthy.audit.evidence.read import connect, read_evidence

__all__ = [
    "Column",
    "Evidence",
    "ForeignKey",
    "Gap",
    "Index",
    "Policy",
    "Role",
    "Sequence",
    "Server",
    "Session",
    "Setting",
    "Statement",
    "Table",
    "connect",
    "read_evidence",
]
