"""Which machine and which versions made a measurement: a number without them cannot be compared."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import psutil


def host_facts() -> dict[str, Any]:
    """Return CPU model, cores we may use, memory, kernel and system of this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "system": platform.system(),
        "name": platform.node(),
    }


def version_facts() -> dict[str, str]:
    """Return the versions of Scaleworthy, its build and Python."""
    from scaleworthy import __version__
    from scaleworthy._native import build_profile

    return {"scaleworthy": __version__, "build": build_profile, "python": platform.python_version()}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
