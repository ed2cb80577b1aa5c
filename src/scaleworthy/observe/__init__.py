"""What the host, the service's processes, PostgreSQL and Valkey did, each second, into the same store as the load."""

from scaleworthy.observe.observer import Observer
from scaleworthy.observe.source import Sample, Source
from scaleworthy.observe.sources.host import HostSource
from scaleworthy.observe.sources.postgres import PostgresSource
from scaleworthy.observe.sources.processes import ProcessSource
from scaleworthy.observe.sources.valkey import ValkeySource

__all__ = ["HostSource", "Observer", "PostgresSource", "ProcessSource", "Sample", "Source", "ValkeySource"]
