"""All proofs, in order, one line after another."""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.load.selftest import proofs
from scaleworthy.load.selftest.beside import Beside
from scaleworthy.load.selftest.line import Line
from scaleworthy.load.selftest.trust import trust

HTTP2 = Line(
    "counts", "http/2", "no HTTP/2 server of known behaviour is part of the package", "–", "not proved here", None
)


def selftest(*, quick: bool = False) -> Iterator[Line]:
    """Yield each line of the self-test as soon as it is known: within 60 s, or some 20 s with *quick*.

    Raises:
        ScaleworthyError: The process with the servers, or a worker process, ended.
    """
    with Beside() as beside:
        yield from proofs.counts(beside, seconds=0.3 if quick else 1.0)
        yield HTTP2
        yield from proofs.rate(beside, seconds=1.0 if quick else 2.0)
        yield from proofs.stall(beside, every_s=3 if quick else 10)
        yield from proofs.slow(beside, seconds=0.5 if quick else 1.0)
        yield from (
            proofs.limited(beside, seconds=1, speeds=["declarative"]) if quick else proofs.limited(beside, seconds=2)
        )
        yield from trust(beside, quick=quick)
