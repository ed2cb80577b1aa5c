"""A server of our own, or the one the user names: the same few attributes either way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from scaleworthy.servers.postgres import Postgres
from scaleworthy.servers.valkey import Valkey


class PostgresAddress(Protocol):
    """A PostgreSQL to use: its address, and its process when it is ours."""

    @property
    def dsn(self) -> str:
        """The address, as a libpq URL or key=value string."""

    @property
    def pid(self) -> int | None:
        """The postmaster's process, or None when the server is the user's."""


class ValkeyAddress(Protocol):
    """A Valkey or Redis to use: its address, and its process when it is ours."""

    @property
    def url(self) -> str:
        """The address, as a redis:// URL."""

    @property
    def pid(self) -> int | None:
        """The server's process, or None when the server is the user's."""


@dataclass(frozen=True, slots=True)
class GivenPostgres:
    """A server the user runs; never stopped by us."""

    dsn: str
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class GivenValkey:
    """A server the user runs; never stopped by us."""

    url: str
    pid: int | None = None


@contextmanager
def postgres_at(dsn: str | None, **start: Any) -> Iterator[PostgresAddress]:
    """Give the server at *dsn*, or one of our own (started with *start*, stopped at the end) where it is None."""
    if dsn is not None:
        yield GivenPostgres(dsn)
        return
    with Postgres.start(**start) as server:
        yield server


@contextmanager
def valkey_at(url: str | None, **start: Any) -> Iterator[ValkeyAddress]:
    """Give the server at *url*, or one of our own (started with *start*, stopped at the end) where it is None."""
    if url is not None:
        yield GivenValkey(url)
        return
    with Valkey.start(**start) as server:
        yield server
