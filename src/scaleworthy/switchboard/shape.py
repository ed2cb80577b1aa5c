"""The two shapes of the service: everything in which they differ, as values.

Question: what separates a backend as it starts from the same backend tuned?
Not here: what the values do (database, cache, paging, answers), and the migrations of a shape (migrations/<set>/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from scaleworthy.errors import UsageError

Paging: TypeAlias = Literal["offset", "keyset"]
LeadList: TypeAlias = Literal["per lead", "joined"]
RoundTrips: TypeAlias = Literal["per statement", "one"]
Reads: TypeAlias = Literal["writer", "replicas"]
Encoder: TypeAlias = Literal["fastapi", "orjson"]
Search: TypeAlias = Literal["scan", "indexed"]
BulkWrites: TypeAlias = Literal["row by row", "together"]
Events: TypeAlias = Literal["notify", "outbox"]
Webhooks: TypeAlias = Literal["in the request", "queued"]
Follows: TypeAlias = Literal["time", "changes"]
Council: TypeAlias = Literal["in turn", "side by side"]
Sockets: TypeAlias = Literal["asgi", "own"]
Manner: TypeAlias = Literal["slow log", "shed", "deadline", "coalesce", "compress", "etag", "redact", "cache-control"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One configuration of the service; the README's table lists these fields, and a test compares the two.

    Attributes:
        name: How the command line names it.
        migrations: Migration sets applied after the base set.
        pool_connections: Database connections of one service process.
        paging: How a cursor finds its page: by counting rows, or from the last row's key.
        lead_list: Owner and last activity of a listed lead: two statements per lead, or one statement for the page.
        search: How leads are searched: the tenant's leads read one by one, or by an index over their words and trigrams.
        bulk_writes: Many leads of one request: a statement for each, or all together (`runtime.bulk`).
        round_trips: A tenant-scoped read: BEGIN, set_config, each statement and COMMIT one by one, or all in one message, prepared.
        reads: Who answers them where there are replicas: the writer still, or any replica that has seen what the tenant wrote.
        encoder: Who writes JSON.
        media: Who reads a media stream's socket: the framework, or a protocol of our own.
        cache_s: How old a cached aggregate may be, in seconds; None: nothing is cached.
        cache_stale_s: For how much longer it is shown while it is computed anew, in seconds; None: whoever asks waits.
        cache_follows: What ends a kept answer: its time, or sooner a change of a row it is made of (`runtime.invalidation`).
        tenant_memory_s: How long a key's tenant is remembered, in seconds; None: looked up for each request.
        council: Whether the council's models are asked one after the other, or all at once.
        manners: What is done with every request and answer, besides counting them and limiting bodies (manners.py).
        tenant_rate: Requests that a tenant may send each process; None: any number.
        events: How processes hear what has happened, to tell their sockets: NOTIFY in the transaction, or an outbox and a relay to Valkey.
        webhooks: Whether a webhook's effect is made before it is answered, or stored, answered and made by a worker.
    """

    name: str
    migrations: tuple[str, ...]
    pool_connections: int
    paging: Paging
    lead_list: LeadList
    search: Search
    bulk_writes: BulkWrites
    round_trips: RoundTrips
    reads: Reads
    encoder: Encoder
    media: Sockets
    cache_s: float | None
    cache_stale_s: float | None
    cache_follows: Follows
    tenant_memory_s: float | None
    council: Council
    manners: tuple[Manner, ...]
    tenant_rate: str | None
    events: Events
    webhooks: Webhooks


SHAPES = {
    shape.name: shape
    for shape in (
        Shape(
            name="day-one",
            migrations=(),
            pool_connections=4,
            paging="offset",
            lead_list="per lead",
            search="scan",
            bulk_writes="row by row",
            round_trips="per statement",
            reads="writer",
            encoder="fastapi",
            media="asgi",
            cache_s=None,
            cache_stale_s=None,
            cache_follows="time",
            tenant_memory_s=None,
            council="in turn",
            manners=(),
            tenant_rate=None,
            events="notify",
            webhooks="in the request",
        ),
        Shape(
            name="tuned",
            migrations=("tuned",),
            pool_connections=8,
            paging="keyset",
            lead_list="joined",
            search="indexed",
            bulk_writes="together",
            round_trips="one",
            reads="replicas",
            encoder="orjson",
            media="own",
            cache_s=10.0,
            cache_stale_s=5.0,
            cache_follows="changes",
            tenant_memory_s=30.0,
            council="side by side",
            manners=("slow log", "shed", "deadline", "coalesce", "compress", "etag", "redact", "cache-control"),
            tenant_rate="5000/s",
            events="outbox",
            webhooks="queued",
        ),
    )
}


def shape_named(name: str) -> Shape:
    """Return the shape called *name*.

    Raises:
        UsageError: There is none; the message lists those there are.
    """
    if name not in SHAPES:
        raise UsageError(f"there is no shape {name!r}", hint=f"shapes: {', '.join(SHAPES)}")
    return SHAPES[name]
