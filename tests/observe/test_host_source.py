"""The host's figures, from a /proc whose numbers are known, and from the real one."""

from pathlib import Path

import psutil
import pytest
from tests.observe.looking import value

from scaleworthy.observe import HostSource, Sample

DISK = "   8   0 {name} 10 0 {read} 0 5 0 {written} 0 0 {busy_ms} 0\n"
NET = "{name}: {received} 1 0 0 0 0 0 0 {sent} 1 0 0 0 0 0 0\n"


class Proc:
    """A /proc and a clock that say what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "net").mkdir()
        for disk in ("sda", "sdb"):
            (folder / "block" / disk / "device").mkdir(parents=True)
        self.now_s = 100.0
        self.source = HostSource(proc=folder, block=folder / "block", clock=lambda: self.now_s)

    def look(self, ticks: str, *, sda: tuple[int, int, int], eth0: tuple[int, int]) -> Sample:
        self.folder.joinpath("stat").write_text(f"cpu  {ticks} 0 0\ncpu0 1\ncpu1 1\nintr 5\n")
        self.folder.joinpath("meminfo").write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\nX: 1 kB\n")
        disks = [("sda", *sda), ("sda1", *sda), ("dm-0", *sda), ("sdb", 0, 0, 100)]
        self.folder.joinpath("diskstats").write_text(
            "".join(DISK.format(name=name, read=read, written=written, busy_ms=ms) for name, read, written, ms in disks)
        )
        nets = [("lo", 10**9, 10**9), ("eth0", *eth0)]
        lines = "".join(NET.format(name=name, received=received, sent=sent) for name, received, sent in nets)
        self.folder.joinpath("net", "dev").write_text(f"head\nhead\n{lines}")
        return self.source.sample()


def test_every_figure_follows_from_two_looks(tmp_path: Path) -> None:
    """Parts of disks, disks over disks and loopback are left out; waiting for a disk is not CPU in use."""
    proc = Proc(tmp_path)
    base = proc.look("100 0 100 700 100 0 0 0", sda=(8, 16, 1000), eth0=(50, 60))
    proc.now_s += 2.0
    sample = proc.look("130 10 110 800 150 0 0 0", sda=(18, 36, 1500), eth0=(1050, 2060))

    assert value(base, "host.cpu") is None
    assert value(base, "host.disk_read") is None
    assert value(sample, "host.cpu") == pytest.approx(50 / 200)
    assert value(sample, "host.cpus") == 2
    assert value(sample, "host.memory_total") == 1_024_000
    assert value(sample, "host.memory_used") == 600 * 1024
    assert value(sample, "host.disk_read") == 10 * 512
    assert value(sample, "host.disk_written") == 20 * 512
    assert value(sample, "host.disk_busy") == pytest.approx(0.25)
    assert value(sample, "host.network_received") == 1000
    assert value(sample, "host.network_sent") == 2000


def test_the_real_host_agrees_with_psutil() -> None:
    source = HostSource()
    source.sample()
    sample = source.sample()

    assert value(sample, "host.cpus") == psutil.cpu_count()
    assert value(sample, "host.memory_total") == psutil.virtual_memory().total
    used = psutil.virtual_memory().total - psutil.virtual_memory().available
    assert value(sample, "host.memory_used") == pytest.approx(used, rel=0.2)
