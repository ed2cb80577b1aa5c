"""The host: CPU, memory, disks, network, from /proc. The figures are the whole machine's, also inside a container."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from scaleworthy.observe.source import Differences, Sample

SECTOR_BYTES = 512  # /proc/diskstats counts in these, whatever the disk's own sectors are
KIB = 1024


class HostSource:
    """Reads five small files a second; *proc* and *block* are where they lie."""

    name = "host"

    def __init__(
        self,
        *,
        proc: Path = Path("/proc"),
        block: Path = Path("/sys/block"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = proc
        self._block = block
        self._clock = clock
        self._counters: Differences[tuple[str, str]] = Differences()
        self._last_s: float | None = None
        self._disks: dict[str, bool] = {}

    def sample(self) -> Sample:
        """Return what happened since the last call."""
        sample = Sample()
        now_s = self._clock()
        elapsed_s, self._last_s = now_s - (self._last_s or now_s), now_s
        busy, total, cpus = self._cpu()
        counters = {("cpu", "busy"): busy, ("cpu", "total"): total, **self._disk(), **self._network()}
        grown = self._counters.since(counters)
        self._memory(sample)
        sample.gauge("host.cpus", "cores", cpus)
        if grown:
            # A guest whose clock ticks were not counted in between has no share to show.
            if grown["cpu", "total"] > 0:
                sample.gauge("host.cpu", "ratio", min(1.0, grown["cpu", "busy"] / grown["cpu", "total"]))
            for kind, series in _BYTES.items():
                amount = sum(value for (what, _), value in grown.items() if what == kind)
                sample.counter(series, "bytes", amount)
            busy_ms = max((value for (what, _), value in grown.items() if what == "disk busy"), default=0.0)
            if elapsed_s > 0:
                sample.gauge("host.disk_busy", "ratio", min(1.0, busy_ms / 1e3 / elapsed_s))
        return sample

    def close(self) -> None:
        """Forget the base: the next sample is a first one."""
        self._counters.forget()
        self._last_s = None

    def _cpu(self) -> tuple[int, int, int]:
        """Return ticks busy, ticks in all, and the number of cores."""
        lines = (self._proc / "stat").read_text().splitlines()
        # user nice system idle iowait irq softirq steal; guest time is within user time.
        ticks = [int(field) for field in lines[0].split()[1:9]]
        cpus = sum(line.startswith("cpu") for line in lines) - 1
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks), cpus

    def _memory(self, sample: Sample) -> None:
        kib: dict[str, int] = {}
        for line in (self._proc / "meminfo").read_text().splitlines():
            name, _, rest = line.partition(":")
            kib[name] = int(rest.split()[0])
            if name == "MemAvailable":
                break
        sample.gauge("host.memory_total", "bytes", kib["MemTotal"] * KIB)
        sample.gauge("host.memory_used", "bytes", (kib["MemTotal"] - kib["MemAvailable"]) * KIB)

    def _disk(self) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for line in (self._proc / "diskstats").read_text().splitlines():
            fields = line.split()
            if self._is_disk(fields[2]):
                found["disk read", fields[2]] = int(fields[5]) * SECTOR_BYTES
                found["disk written", fields[2]] = int(fields[9]) * SECTOR_BYTES
                found["disk busy", fields[2]] = int(fields[12])
        return found

    def _is_disk(self, name: str) -> bool:
        """Is it a disk, rather than a part of one or something laid over one (whose bytes would count twice)?"""
        if name not in self._disks:
            self._disks[name] = (self._block / name / "device").exists()
        return self._disks[name]

    def _network(self) -> dict[tuple[str, str], float]:
        found: dict[tuple[str, str], float] = {}
        for line in (self._proc / "net" / "dev").read_text().splitlines()[2:]:
            name, _, rest = line.partition(":")
            if (name := name.strip()) != "lo":
                fields = rest.split()
                found["received", name], found["sent", name] = int(fields[0]), int(fields[8])
        return found


_BYTES = {
    "disk read": "host.disk_read",
    "disk written": "host.disk_written",
    "received": "host.network_received",
    "sent": "host.network_sent",
}
