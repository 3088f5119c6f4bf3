"""Progress on stderr, in one of three kinds: a live view on a terminal, one line per step without, or nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sspo_cli.engine.observer import Observer
from sspo_cli.metrics import metric
from sspo_cli.views.values import SHOWN, TimeLeft, duration, number

if TYPE_CHECKING:
    from rich.progress import TaskID

LONG_S = 2.0  # seconds after which a user wants to know how far it is


class Display(Observer):
    """Shows nothing: the quiet display, and the contract of the others. No display ever raises."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class PlainDisplay(Display):
    """Exactly one line of ASCII per step, and one per warning."""

    def __init__(self, first_step: int, total_steps: int) -> None:
        self.time_left = TimeLeft(total_steps, first_step)

    def step(self, row: Mapping[str, Any]) -> None:
        self.time_left.see(row)
        total = str(self.time_left.total_steps)
        cells = [f"step {self.time_left.step:>{len(total)}}/{total}"]
        for name, width in SHOWN.items():
            if (shown := metric(name)).short:
                value = shown.written(number(row, name))
                cell = f"{shown.short} {value:>{width}}"
                cells.append(cell if value else " " * len(cell))
        cells.append(f"ETA {duration(self.time_left.seconds)}")
        self.print("  ".join(cells))

    def warn(self, text: str) -> None:
        self.print(f"warning: {text}")

    def print(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a closed stderr must not end the run
            print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A spinner on stderr, where that is a terminal, while something of unknown length goes on. Told with (done, total)
    of the prompts, it shows them once that takes long."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal or console.is_dumb_terminal:
        yield lambda done, total: None
        return
    began = time.monotonic()
    with console.status(what) as status:

        def show(done: int, total: int) -> None:
            if time.monotonic() - began > LONG_S:
                status.update(f"{what}: {done:,} of {total:,} prompts")

        yield show


@contextlib.contextmanager
def phases(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, where that is a terminal, told with (phase, done, total); it shows the time left."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done, total=total)

        yield show
