"""Observe a subject while it is loaded: the sources that its description allows, each second, into the same store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scaleworthy.assess.subject import Subject
from scaleworthy.errors import ScaleworthyError
from scaleworthy.observe import HostSource, Observer, PostgresSource, ProcessSource, Source, ValkeySource
from scaleworthy.series import Store


def sources(subject: Subject) -> tuple[list[Source], list[str]]:
    """Return the sources for *subject*, and what could not be observed, each with its reason."""
    found: list[Source] = [HostSource()]
    gaps = []
    if subject.processes:
        found.append(ProcessSource(subject.processes))
    else:
        gaps.append("the service's processes were not named, so their CPU and memory were not observed")
    if subject.database is None:
        gaps.append("no database was named, so none was observed or audited")
    else:
        try:
            found.append(PostgresSource(subject.database))
        except ScaleworthyError as error:
            gaps.append(f"PostgreSQL was not observed: {error.message}")
    if subject.cache is not None:
        try:
            found.append(ValkeySource(subject.cache))
        except ScaleworthyError as error:
            gaps.append(f"the cache was not observed: {error.message}")
    return found, gaps


@contextmanager
def observed(subject: Subject, store: Store) -> Iterator[list[str]]:
    """Observe *subject* within the block; yield what could not be observed."""
    found, gaps = sources(subject)
    observer = Observer(store, found)
    observer.start()
    try:
        yield gaps
    finally:
        observer.stop()
