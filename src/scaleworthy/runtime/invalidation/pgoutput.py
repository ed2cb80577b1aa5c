"""Read what PostgreSQL's logical decoding plug-in `pgoutput` writes (protocol version 1): rows that changed, by transaction.

Source: PostgreSQL's documentation, "Logical Replication Message Formats". Values come as text; one that did not change and is stored out
of line (TOAST) does not come at all.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scaleworthy.errors import ScaleworthyError

Operation = Literal["insert", "update", "delete", "truncate"]
Values = Mapping[str, str | None]

# PostgreSQL counts microseconds from 2000.
EPOCH_US = 946_684_800_000_000


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, as it was when its rows were written."""

    name: str
    """With its schema."""
    columns: tuple[str, ...]


class Change(NamedTuple):
    """A row that changed. *old* has the identity's columns, where they were sent; *new* all that were sent; a truncate has neither."""

    relation: Relation
    operation: Operation
    old: Values | None
    new: Values | None


class Begin(NamedTuple):
    """A transaction's rows follow."""

    final_position: int


class Commit(NamedTuple):
    """They are all there. Who has replayed up to *end_position* has seen them."""

    end_position: int
    committed_us: int
    """When, in microseconds of Unix time by the server's clock."""


class Decoder:
    """Keeps the relations that rows refer to by number. One for each stream."""

    def __init__(self) -> None:
        self._relations: dict[int, Relation] = {}

    def decode(self, message: bytes) -> list[Begin | Commit | Change]:
        """Return what *message* says; of messages that say nothing of rows, nothing.

        Raises:
            ScaleworthyError: It ends too early, or refers to a relation that was never described.
        """
        try:
            return self._decode(_Reader(message))
        except (IndexError, struct.error, KeyError, ValueError) as error:
            raise ScaleworthyError(
                f"a message of the replication stream cannot be read: {message[:40]!r}",
                hint="is the slot's plug-in pgoutput, with proto_version 1?",
            ) from error

    def _decode(self, reader: _Reader) -> list[Begin | Commit | Change]:
        kind = reader.byte()
        if kind == b"B":
            return [Begin(reader.uint64())]
        if kind == b"C":
            reader.skip(1 + 8)
            return [Commit(reader.uint64(), reader.uint64() + EPOCH_US)]
        if kind == b"R":
            number = reader.uint32()
            self._relations[number] = reader.relation()
            return []
        if kind == b"I":
            relation = self._relations[reader.uint32()]
            reader.byte()
            return [Change(relation, "insert", None, reader.row(relation.columns))]
        if kind == b"U":
            relation = self._relations[reader.uint32()]
            mark, old = reader.byte(), None
            if mark in (b"K", b"O"):
                old = reader.row(relation.columns)
                reader.byte()
            return [Change(relation, "update", old, reader.row(relation.columns))]
        if kind == b"D":
            relation = self._relations[reader.uint32()]
            reader.byte()
            return [Change(relation, "delete", reader.row(relation.columns), None)]
        if kind == b"T":
            count = reader.uint32()
            reader.skip(1)
            return [Change(self._relations[reader.uint32()], "truncate", None, None) for _ in range(count)]
        return []


class _Reader:
    """A message, read from left to right."""

    __slots__ = ("_at", "_bytes")

    def __init__(self, data: bytes) -> None:
        self._bytes = data
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count

    def byte(self) -> bytes:
        self._at += 1
        return self._bytes[self._at - 1 : self._at]

    def uint16(self) -> int:
        self._at += 2
        return int(struct.unpack_from(">H", self._bytes, self._at - 2)[0])

    def uint32(self) -> int:
        self._at += 4
        return int(struct.unpack_from(">I", self._bytes, self._at - 4)[0])

    def uint64(self) -> int:
        self._at += 8
        return int(struct.unpack_from(">Q", self._bytes, self._at - 8)[0])

    def text(self) -> str:
        end = self._bytes.index(0, self._at)
        text = self._bytes[self._at : end].decode()
        self._at = end + 1
        return text

    def relation(self) -> Relation:
        schema, table = self.text() or "pg_catalog", self.text()
        self.skip(1)
        columns = []
        for _ in range(self.uint16()):
            self.skip(1)
            columns.append(self.text())
            self.skip(8)
        return Relation(f"{schema}.{table}", tuple(columns))

    def row(self, columns: tuple[str, ...]) -> dict[str, str | None]:
        values: dict[str, str | None] = {}
        for position in range(self.uint16()):
            kind = self.byte()
            if kind == b"t":
                length = self.uint32()
                end = self._at + length
                if end > len(self._bytes):
                    raise IndexError
                values[columns[position]] = self._bytes[self._at : end].decode()
                self._at = end
            elif kind == b"n":
                values[columns[position]] = None
            elif kind != b"u":
                raise IndexError
        return values
