"""`--profile`: where one step spends its time, by phase and by op."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch.profiler import profile, record_function

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.observer import Observer
from sspo_cli.runs.folder import profile_files
from sspo_cli.timing import PHASES

STEP = "step"
# Ops that only move numbers from one place to another.
COPIES = {
    "aten::copy_", "aten::cat", "aten::index", "aten::index_select", "aten::_index_put_impl_", "aten::gather",
    "aten::scatter_", "cudaMemcpyAsync",
}  # fmt: skip


class StepProfiler(Observer):
    """Profiles step `step`, its evaluation included, and writes a Chrome trace. found: what `summarise` says of it."""

    def __init__(self, folder: Path, step: int) -> None:
        self.trace_file = profile_files(folder, step)[1]
        self.profiled = step
        self.found: dict[str, Any] | None = None
        self.watching: ExitStack | None = None
        self.trace: Any = None

    def begin(self, step: int) -> None:
        if step == self.profiled:
            os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # or it tells stderr that it starts and stops
            self.watching = ExitStack()
            self.trace = self.watching.enter_context(profile())
            self.watching.enter_context(record_function(STEP))

    def step(self, row: Mapping[str, Any]) -> None:
        if self.watching is None:
            return
        self.close(0)
        self.found = {"step": self.profiled, **summarise(list(self.trace.events() or []))}
        self.trace_file.parent.mkdir(exist_ok=True)
        self.trace.export_chrome_trace(str(self.trace_file))

    def close(self, exit_code: int) -> None:
        if self.watching is not None:
            self.watching.close()
            self.watching = None


def step_to_profile(config: TrainConfig, done: int) -> int:
    """Of the steps after step `done`, the first that ends with an evaluation, but for one to warm up.

    Raises:
        ConfigError: if no two steps are left.
    """
    steps = config.train.steps
    for step in range(done + 2, steps + 1):
        if config.evaluates(step):
            return step
    raise ConfigError([f"--profile: train.steps={steps} leaves no step to profile after one that warms up; raise it"])


@dataclass(frozen=True)
class Interval:
    """start and end in seconds."""

    name: str
    start: float
    end: float


def summarise(events: Sequence[Any]) -> dict[str, Any]:
    """What the events of one profiled step say.

    Returns:
        phases: for each of PHASES that was entered, and for the "step", its wall time "seconds" and the shares of it
        spent in ops that "compute", in ops that make "copies", and in "python", that is in no op; on a GPU also the
        share for which it was "gpu" busy. ops: those with the longest self time first, each with "calls", "seconds" (of
        the GPU if one is in use), and "by_phase" the seconds in each phase.
    """
    on_host = [event for event in events if event.device_type.name == "CPU"]
    on_gpu = [event for event in events if event.device_type.name != "CPU" and not event.is_user_annotation]
    marks = [interval(event) for event in on_host if event.is_user_annotation and event.name in (*PHASES, STEP)]
    ops = [event for event in on_host if not event.is_user_annotation]
    busy_until = time_covered([interval(event) for event in ops])
    copied_until = time_spent([event for event in ops if event.name in COPIES])
    gpu_until = time_covered([interval(event) for event in on_gpu])
    phases = {}
    for name in (name for name in (*PHASES, STEP) if any(mark.name == name for mark in marks)):
        seconds = within(marks, name, lambda moment: moment)
        copies, busy = within(marks, name, copied_until) / seconds, within(marks, name, busy_until) / seconds
        phases[name] = {"seconds": seconds, "compute": busy - copies, "copies": copies, "python": 1 - busy}
        if on_gpu:
            phases[name]["gpu"] = within(marks, name, gpu_until) / seconds
    return {"phases": phases, "ops": ranking(ops, marks, of_gpu=bool(on_gpu))}


def interval(event: Any) -> Interval:
    return Interval(event.name, event.time_range.start / 1e6, event.time_range.end / 1e6)


def within(marks: Sequence[Interval], name: str, until: Callable[[float], float]) -> float:
    """What `until`, a running total over time, gained in the phase `name` but not in the phases inside it."""
    total = 0.0
    for mark in (mark for mark in marks if mark.name == name):
        total += until(mark.end) - until(mark.start)
        if name != STEP:
            total -= sum(until(inner.end) - until(inner.start) for inner in directly_inside(mark, marks))
    return total


def directly_inside(mark: Interval, marks: Sequence[Interval]) -> list[Interval]:
    """The phases that were entered inside `mark`, without those inside these."""
    found: list[Interval] = []
    for other in sorted(marks, key=lambda item: (item.start, -item.end)):
        inside = other != mark and mark.start <= other.start and other.end <= mark.end
        if inside and not (found and other.end <= found[-1].end):
            found.append(other)
    return found


def time_covered(intervals: Sequence[Interval]) -> Callable[[float], float]:
    """The running total of time in which at least one of `intervals` runs."""
    ordered = sorted(intervals, key=lambda item: item.start)
    start_n = np.array([item.start for item in ordered])
    # An interval counts from where all before it have ended.
    end_n = np.maximum.accumulate(np.array([item.end for item in ordered]))
    start_n = np.maximum(start_n, np.concatenate([[-np.inf], end_n[:-1]])) if ordered else start_n
    total_n = np.concatenate([[0.0], np.cumsum(np.maximum(0, end_n - start_n))])

    def until(moment: float) -> float:
        ended = int(np.searchsorted(end_n, moment, side="right"))
        running = max(0.0, moment - start_n[ended]) if ended < len(start_n) else 0.0
        return float(total_n[ended] + running)

    return until


def time_spent(ops: Sequence[Any]) -> Callable[[float], float]:
    """The running total of the self time of the ops begun so far."""
    start_n = np.array([event.time_range.start / 1e6 for event in ops])
    total_n = np.concatenate([[0.0], np.cumsum([event.self_cpu_time_total / 1e6 for event in ops])])
    return lambda moment: float(total_n[np.searchsorted(start_n, moment)])


def ranking(ops: Sequence[Any], marks: Sequence[Interval], *, of_gpu: bool) -> list[dict[str, Any]]:
    """Every op by its self time, the longest first."""
    calls: Counter[str] = Counter(event.name for event in ops)
    seconds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    inner_first = sorted((mark for mark in marks if mark.name != STEP), key=lambda mark: mark.end - mark.start)
    for event in ops:
        start = event.time_range.start / 1e6
        phase = next((mark.name for mark in inner_first if mark.start <= start <= mark.end), "other")
        spent = event.self_device_time_total if of_gpu else event.self_cpu_time_total
        seconds[event.name][phase] += spent / 1e6
    rows = [
        {"op": name, "calls": calls[name], "seconds": sum(by_phase.values()), "by_phase": dict(by_phase)}
        for name, by_phase in seconds.items()
    ]
    return sorted(rows, key=lambda row: row["seconds"], reverse=True)
