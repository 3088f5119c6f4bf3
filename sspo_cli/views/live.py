"""The live view: where the run is, how long it will take, and how its metrics move."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sspo_cli.metrics import metric
from sspo_cli.views.display import Display
from sspo_cli.views.values import ASCII_BLOCKS, BLOCKS, SHOWN, TimeLeft, duration, number, sparkline

MAX_WIDTH = 120
REFRESH_PER_SECOND = 2


@dataclass(frozen=True)
class Phase:
    """How far a phase of the current step is."""

    name: str
    done: int
    total: int


class LiveDisplay(Display):
    """A panel that a thread of rich redraws; `phase` and `step` only note what to draw, so they cost nothing."""

    def __init__(self, console: Console, title: str, first_step: int, total_steps: int) -> None:
        self.title = title
        self.time_left = TimeLeft(total_steps, first_step)
        self.now: Phase | None = None
        self.latest: dict[str, float] = {}
        self.history: dict[str, list[float]] = {name: [] for name in SHOWN}
        self.started = self.stepped = time.monotonic()
        # A pipe on stdout carries results; only a terminal shares the screen with this panel.
        self.live = Live(
            self, console=console, refresh_per_second=REFRESH_PER_SECOND, redirect_stdout=sys.stdout.isatty()
        )

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self.live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.now = None
        with contextlib.suppress(OSError):  # the terminal may be gone; the run must still end well
            self.live.stop()

    def phase(self, name: str, done: int, total: int) -> None:
        self.now = Phase(name, done, total)

    def step(self, row: Mapping[str, Any]) -> None:
        self.time_left.see(row)
        self.stepped = time.monotonic()
        for key, values in self.history.items():
            if (value := number(row, key)) is not None:
                self.latest[key] = value
            values.append(self.latest.get(key, math.nan))  # one value a step keeps the sparklines on one time axis

    def warn(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self.live.console.print(Text(f"warning: {text}", style="yellow"), soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Panel(
            Group(self.progress(), Text(), self.metrics()),
            title=Text(self.title, style="bold not dim"),
            title_align="left",
            border_style="dim",
            padding=(1, 2),
            width=MAX_WIDTH,
        )

    def progress(self) -> Table:
        step, total = self.time_left.step, self.time_left.total_steps
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True, min_width=14)
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, justify="right", min_width=17)
        table.add_column(no_wrap=True, justify="right", min_width=11)
        now = time.monotonic()
        remaining = self.time_left.seconds
        left = None if remaining is None else max(0.0, remaining - (now - self.stepped))
        table.add_row(
            Text(f"step {step}/{total}", style="bold"),
            bar(step, total, "green"),
            Text(f"elapsed {duration(now - self.started)}"),
            Text(f"ETA {duration(left)}" if step < total else ""),
        )
        if phase := self.now:
            table.add_row(
                Text(phase.name), bar(phase.done, phase.total, "cyan"), Text(f"{phase.done:,}/{phase.total:,}"), Text()
            )
        return table

    def metrics(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right", min_width=8)
        table.add_column(ratio=1)
        for name in SHOWN:
            table.add_row(
                Text(name, style="dim"),
                Text(metric(name).written(self.latest.get(name)), style="bold"),
                Sparkline(self.history[name].copy()),
            )
        return table


def bar(done: int, total: int, style: str) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=done, style="dim", complete_style=style, finished_style=style)


@dataclass(frozen=True)
class Sparkline:
    """A sparkline as wide as its column."""

    values: list[float]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        blocks = ASCII_BLOCKS if options.ascii_only else BLOCKS
        yield Text(sparkline(self.values, options.max_width, blocks), style="cyan", no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, options.max_width)
