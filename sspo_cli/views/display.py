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
    from rich.console import Console
    from rich.progress import TaskID

LONG_S = 2.0  # seconds after which a user wants to know how far it is
FIRST_LINE_S, NEXT_LINE_S = 5.0, 10.0  # the same where every word is a line of a log


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


class Lines:
    """Progress where stderr is no terminal: a line once a phase takes long, then one from time to time."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.told: dict[str, float] = {}

    def show(self, phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        began = self.began.setdefault(phase, now)
        due = self.told[phase] + NEXT_LINE_S if phase in self.told else began + FIRST_LINE_S
        if now < due or done >= total:
            return
        self.told[phase] = now
        line = f"{phase}: {done:,} of {total:,}, ETA {duration(time_left(began, done, total))}"
        with contextlib.suppress(OSError, ValueError):  # a closed stderr must not end the command
            print(line, file=sys.stderr, flush=True)


def time_left(began: float, done: int, total: int) -> float | None:
    """Seconds, were the rest to go as what is done since `began`."""
    return (time.monotonic() - began) * (total - done) / done if done else None


@contextlib.contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A spinner on stderr, where that is a terminal, while something of unknown length goes on. Told with (done, total)
    of the prompts, it shows them once that takes long, as lines where there is no terminal."""
    if quiet:
        yield lambda done, total: None
        return
    console = progress_console()
    if console is None:
        lines = Lines()
        yield lambda done, total: lines.show(f"{what}, prompts", done, total)
        return
    began = time.monotonic()
    with console.status(what) as status:

        def show(done: int, total: int) -> None:
            if time.monotonic() - began > LONG_S:
                eta = duration(time_left(began, done, total))
                status.update(f"{what}: {done:,} of {total:,} prompts, ETA {eta}")

        yield show


@contextlib.contextmanager
def phases(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr, told with (phase, done, total), with the time left; lines where stderr is no terminal."""
    if quiet:
        yield lambda phase, done, total: None
        return
    console = progress_console()
    if console is None:
        yield Lines().show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("ETA"))
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase, total=total)
            bar.update(tasks[phase], completed=done, total=total)

        yield show


def progress_console() -> Console | None:
    """stderr, where that is a terminal that can be drawn on."""
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None
