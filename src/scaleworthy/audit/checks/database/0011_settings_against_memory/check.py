"""Do the memory settings fit the machine and the data, as measured?

PgTune's formulas, bounded by facts of this server: shared_buffers is a quarter of memory, but never more than the database
needs; work_mem is judged by what all connections could take together, and by the spills that happened.
Source: the formulas of https://github.com/le0pard/pgtune (web and OLTP types).
"""

from __future__ import annotations

from collections.abc import Iterator

from scaleworthy.audit.check import Check
from scaleworthy.audit.conclude import conclude
from scaleworthy.audit.evidence import Evidence, Setting
from scaleworthy.finding import Evidence as Fact
from scaleworthy.finding import Finding, Fix, Level, Verdict
from scaleworthy.units import format_bytes

ID = "database/0011_settings_against_memory"
MIB = 2**20
_UNIT_BYTES = {"B": 1, "kB": 1024, "8kB": 8192, "MB": MIB}
# Sorts and hashes that one statement may hold at a time, as PgTune counts them.
NODES_PER_STATEMENT = 3
SPILL_FILES_MIN = 10


def run(evidence: Evidence) -> Iterator[Finding]:
    """Yield one finding per setting that does not fit."""
    memory = evidence.server.memory_bytes
    if memory is None:
        return
    buffers, work = _bytes(evidence, "shared_buffers"), _bytes(evidence, "work_mem")
    connections = float(evidence.settings["max_connections"].value)
    wanted = min(memory / 4, max(128 * MIB, evidence.server.database_bytes * 1.25))
    if buffers < 0.6 * wanted:
        text = f"shared_buffers is {format_bytes(buffers)}; {format_bytes(wanted)} fits this database and machine"
        why = "blocks that do not fit are asked of the operating system again and again"
        yield _finding(evidence, "shared_buffers", "warn", text, wanted, why)
    if buffers > 0.5 * memory:
        text = f"shared_buffers is {format_bytes(buffers)}, more than half of the machine's {format_bytes(memory)}"
        why = "too little is left for statements and the operating system's own cache"
        yield _finding(evidence, "shared_buffers", "fail", text, memory / 4, why)
    worst = work * connections
    fair = max(4 * MIB, (memory - buffers) / (connections * NODES_PER_STATEMENT))
    if buffers + worst > memory:
        text = f"work_mem {format_bytes(work)} × {connections:,.0f} connections is more than the machine's {format_bytes(memory)}"
        why = f"one sort in each connection takes {format_bytes(worst)}: the machine swaps, or the server is killed"
        yield _finding(evidence, "work_mem", "fail", text, fair, why, level="high")
    elif evidence.server.temp_files >= SPILL_FILES_MIN and work < 0.5 * fair:
        spilt = f"{evidence.server.temp_files:,} times, {format_bytes(evidence.server.temp_bytes)}"
        text = f"Sorts and hashes spilt to disk {spilt}; work_mem is {format_bytes(work)}"
        yield _finding(evidence, "work_mem", "warn", text, fair, f"spilt {spilt}")


def _bytes(evidence: Evidence, name: str) -> float:
    setting: Setting = evidence.settings[name]
    return float(setting.value) * _UNIT_BYTES.get(setting.unit, 1)


def _finding(
    evidence: Evidence, name: str, verdict: Verdict, text: str, wanted: float, why: str, *, level: Level = "medium"
) -> Finding:
    setting = evidence.settings[name]
    server = evidence.server
    mebibytes = max(1, round(wanted / MIB))
    return conclude(
        ID,
        name,
        verdict,
        text,
        detail=f"The value comes from: {setting.source}.",
        evidence=(
            Fact(name, _bytes(evidence, name), "bytes", source="pg_settings"),
            Fact("memory of the server's machine", float(server.memory_bytes or 0), "bytes", source="/proc/meminfo"),
            Fact("size of the database", float(server.database_bytes), "bytes", source="pg_database_size"),
            Fact(
                "spilt to temporary files",
                float(server.temp_bytes),
                "bytes",
                server.temp_files,
                source="pg_stat_database",
            ),
        ),
        impact=why,
        impact_level=level,
        fix=Fix(
            f"Set {name} to {mebibytes} MB"
            + (", then restart the server" if setting.context == "postmaster" else ", then reload"),
            "setting",
            (f"ALTER SYSTEM SET {name} = '{mebibytes}MB'", "SELECT pg_reload_conf()"),
            (f"ALTER SYSTEM SET {name} = '{setting.shown}'", "SELECT pg_reload_conf()"),
        ),
        labels={"setting": name},
    )


CHECK = Check(
    ID,
    "Settings against memory",
    "shared_buffers and work_mem fit the machine and the data",
    run,
    needs=("memory", "setting"),
)
