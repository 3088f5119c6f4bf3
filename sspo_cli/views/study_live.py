"""What a person sees while a grid runs: a table of cells on a terminal, a line per change without."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sspo_cli.metrics import metric
from sspo_cli.study.follow import NOT_WELL, Followed, Screen, counts, left_s
from sspo_cli.views.values import duration

STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "interrupted": "yellow"} | dict.fromkeys(
    ("failed", "died"), "bold red"
)
CELL_WIDTH = 21
GAP = 2
REFRESH_PER_SECOND = 2


def shown_value(name: str, value: float | None) -> str:
    """A value of the metric `name`; - where there is none."""
    return metric(name).written(value) or "-"


class PlainScreen(Screen):
    """One line of ASCII per change of a cell's state."""

    def begin(self, cells: Sequence[Followed], at_once: int) -> None:
        self.cells = cells
        self.at_once = at_once

    def changed(self, cells: Sequence[Followed]) -> None:
        for cell in cells:
            words = [f"{cell.cell.label}: {cell.state}"]
            if cell.state in ("done", "interrupted"):
                words.append(f"step {cell.step}, {cell.metric} {shown_value(cell.metric, cell.value)}")
            if cell.state in ("failed", "died"):
                words.append(cell.status.removeprefix(f"{cell.state}: "))
            eta = f"ETA {duration(left_s(self.cells, self.at_once))}"
            self.say(f"{', '.join(words)} ({counts(self.cells)}, {eta})")

    def say(self, words: str) -> None:
        self.warn(words)


class LiveScreen(PlainScreen):
    """A table with a row for every point and a column for every seed; a thread of rich redraws it."""

    def __init__(self, title: str, console: Console) -> None:
        self.title = title
        self.note = ""
        self.live = Live(self, console=console, refresh_per_second=REFRESH_PER_SECOND, redirect_stdout=False)

    def begin(self, cells: Sequence[Followed], at_once: int) -> None:
        super().begin(cells, at_once)
        self.started = time.monotonic()
        with contextlib.suppress(OSError):
            self.live.start(refresh=True)

    def changed(self, cells: Sequence[Followed]) -> None:
        """The table is redrawn by itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.live.stop()

    def say(self, words: str) -> None:
        """Inside the table, once there is one."""
        if self.live.is_started:
            self.note = words
        else:
            self.warn(words)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self.table(options.max_width - 6, console.size.height - 10)
        parts: list[RenderableType] = [self.total(), table]
        if self.note:
            parts += [Text(), Text(self.note, style="yellow")]
        yield Panel(
            Group(*parts),
            title=Text(self.title, style="bold not dim"),
            title_align="left",
            border_style="dim",
            padding=(1, 2),
        )

    def total(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right", min_width=11)
        share = sum(1.0 if cell.state == "done" else cell.fraction for cell in self.cells)
        table.add_row(
            Text(counts(self.cells), style="bold"),
            ProgressBar(total=len(self.cells), completed=share, style="dim", complete_style="green"),
            Text(f"elapsed {duration(time.monotonic() - self.started)}"),
            Text(f"ETA {duration(left_s(self.cells, self.at_once))}"),
        )
        return table

    def table(self, width: int, height: int) -> Table:
        """Every cell where there is room, else those that are at work or went wrong."""
        points = list(dict.fromkeys(cell.cell.name for cell in self.cells))
        seeds = list(dict.fromkeys(cell.cell.seed for cell in self.cells))
        longest = max(len(point) for point in points)
        if longest + len(seeds) * (GAP + CELL_WIDTH) > width or len(points) + 1 > height:
            return self.list_of_some(height)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        table.add_column("", no_wrap=True)
        for seed in seeds:
            table.add_column(f"seed {seed}", width=CELL_WIDTH, no_wrap=True)
        places = {(cell.cell.name, cell.cell.seed): cell for cell in self.cells}
        for point in points:
            table.add_row(Text(point), *(cell_text(places[point, seed]) for seed in seeds))
        return table

    def list_of_some(self, height: int) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        shown = [cell for cell in self.cells if cell.state in ("running", *NOT_WELL)]
        for cell in shown[-max(1, height) :]:
            table.add_row(Text(cell.cell.label), cell_text(cell))
        return table


def cell_text(cell: Followed) -> Text:
    """For example 12/40  45.1%  0:31 of a cell that runs."""
    value = shown_value(cell.metric, cell.value)
    style = STYLES[cell.state]
    if cell.state == "running":
        steps = f"{cell.step}/{cell.cell.config.train.steps}"
        return Text(f"{steps:<7} {value:>6} {duration(cell.left_s):>6}", style=style)
    if cell.state == "done":
        return Text(f"{cell.state:<7} {value:>6}", style=style)
    return Text(cell.state, style=style)


def open_screen(title: str, *, quiet: bool) -> Screen:
    """The screen that fits stderr."""
    if quiet:
        return Screen()
    console = Console(stderr=True)
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        return PlainScreen()
    return LiveScreen(title, console)
