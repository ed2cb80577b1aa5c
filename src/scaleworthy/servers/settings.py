"""PostgreSQL's settings: what an embedded server starts with, sized by the machine's memory, and how they are written.

They go to a file of their own that postgresql.conf includes, so that ALTER SYSTEM wins over them and a reload is enough
for what needs no restart.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from scaleworthy.errors import InvalidInput

MIB = 2**20
CONF = "scaleworthy.conf"
PRELOAD = "pg_stat_statements,auto_explain"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")
_OURS = {"port", "listen_addresses", "unix_socket_directories"}


def memory_bytes() -> int:
    """Return the memory this process may use: the machine's, or its control group's limit where that is lower."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(limit)) if limit.isdigit() else machine


def sized(memory: int, *, fsync: bool) -> dict[str, str]:
    """Return the settings of a server that shares a machine of *memory* bytes with the service it serves."""

    def mib(share: int, low: int, high: int) -> str:
        return f"{min(high, max(low, memory // MIB // share))}MB"

    settings = {
        "shared_preload_libraries": PRELOAD,
        "shared_buffers": mib(8, 64, 1024),
        "effective_cache_size": mib(2, 128, 16384),
        "maintenance_work_mem": mib(32, 32, 256),
        "work_mem": mib(1024, 4, 16),
        "max_wal_size": "2GB",
        "random_page_cost": "1.1",  # solid-state disks: PostgreSQL's 4 is a spinning disk's
        "track_io_timing": "on",
        "compute_query_id": "on",
        "pg_stat_statements.track": "top",
        "pg_stat_statements.max": "5000",
        "auto_explain.log_min_duration": "-1",  # loaded, and silent until a session or ALTER SYSTEM asks
        "log_line_prefix": "%m [%p] ",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    if not fsync:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return settings


def checked(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the given settings.

    Raises:
        InvalidInput: A name or value that cannot be written to a configuration file, or that the launcher decides.
    """
    problems = [f"{name}: a setting's name is letters, digits and _" for name in settings if not _NAME.fullmatch(name)]
    problems += [f"{name}: the launcher chooses it (port=…)" for name in settings if name.lower() in _OURS]
    problems += [f"{name}: a value has one line, got {value!r}" for name, value in settings.items() if "\n" in value]
    if problems:
        raise InvalidInput("PostgreSQL settings", problems)
    return dict(settings)


def write(data: Path, settings: Mapping[str, str]) -> None:
    """Write *settings* to the data folder's own file, and see that postgresql.conf includes it."""
    lines = ["# Written by scaleworthy at each start; ALTER SYSTEM wins over it.\n"]
    for name, value in settings.items():
        escaped = value.replace("\\", "\\\\").replace("'", "''")
        lines.append(f"{name} = '{escaped}'\n")
    (data / CONF).write_text("".join(lines))
    main = data / "postgresql.conf"
    include = f"include_if_exists = '{CONF}'\n"
    if include not in main.read_text():
        with main.open("a") as file:
            file.write(include)
