"""What the figures stand on: processor, versions, and how far the machine was left alone while they were measured."""

from __future__ import annotations

import os
import platform
import resource
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("sspo", "torch", "transformers", "trl")


def environment(threads: int) -> dict[str, Any]:
    """No path and no name of the machine."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": cores(),
        "threads": threads,
        "python": platform.python_version(),
        **{package: installed(package) for package in PACKAGES},
    }


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


class Watch:
    """From its making on: the share of all cores' time that others than this process and its children had."""

    def __init__(self) -> None:
        self.begun, self.busy, self.own = time.monotonic(), busy_seconds(), own_seconds()

    def others(self) -> float | None:
        """None where the system does not tell."""
        busy = busy_seconds()
        if busy is None or self.busy is None:
            return None
        elapsed = (time.monotonic() - self.begun) * (os.cpu_count() or 1)
        return max(0.0, busy - self.busy - (own_seconds() - self.own)) / elapsed


def busy_seconds() -> float | None:
    """Seconds that the cores have worked since the machine started, added up."""
    file = Path("/proc/stat")
    if not file.exists():
        return None
    user, nice, system, _idle, _waiting, *others = map(int, file.read_text().split("\n")[0].split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)
