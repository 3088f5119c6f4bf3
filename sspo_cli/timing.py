"""Time and memory of a step."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.profiler import record_function

PHASES = ("rollout", "reward", "update", "evaluation")


class Stopwatch:
    """seconds: by phase, of the phases inside `running`; total: of all of it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.total = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        token = _stopwatch.set(self)
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.total += time.perf_counter() - begun
            _stopwatch.reset(token)


_stopwatch: ContextVar[Stopwatch | None] = ContextVar("stopwatch", default=None)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """One of PHASES: timed if a stopwatch runs, named in a profile. What is inside another counts for itself alone."""
    watch = _stopwatch.get() or Stopwatch()
    begun, before = time.perf_counter(), sum(watch.seconds.values())
    try:
        with record_function(name):
            yield
    finally:
        inside = sum(watch.seconds.values()) - before
        watch.seconds[name] = watch.seconds.get(name, 0.0) + time.perf_counter() - begun - inside


def peak_memory_gib() -> float:
    """Most memory held so far: of the GPU if one is in use, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
