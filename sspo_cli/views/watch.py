"""The screen of `sspo runs --watch`: every run at work, and how far its grid is, as the folders tell it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sspo_cli.plural import count
from sspo_cli.runs.folder import title
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.query import Condition
from sspo_cli.runs.record import Record
from sspo_cli.runs.status import RUNNING, read_state
from sspo_cli.runs.text import BrokenFile
from sspo_cli.views.console import results
from sspo_cli.views.runs import METRIC, STYLES, steps_of, written_share
from sspo_cli.views.summary import printable
from sspo_cli.views.values import duration

LOOK_EVERY_S = 2.0
TELL_EVERY_S = 10.0  # of a run, where there is no terminal
BAR_WIDTH = 16


# From the runs that were at work when one looked last: those and the ones that are now, as they are now; and the grids
# that are at work or have one of these.
Find = Callable[[set[Path]], tuple[list[Record], list[Path]]]


@dataclass
class Watch:
    """What was seen: every run that was at work once, as it is now, when a line last told of it, and every grid.
    conditions: that a run must meet when it is first seen."""

    conditions: Sequence[Condition] = ()
    seen: dict[Path, Record] = field(default_factory=dict)
    grids: list[Path] = field(default_factory=list)
    going_on: bool = False
    told: dict[Path, float] = field(default_factory=dict)

    def look(self, find: Find) -> list[Path]:
        """Take in what is there; the runs whose status is not what it was."""
        runs, grids = find(self.at_work)
        wanted = [run for run in runs if run.folder in self.seen or all(item.holds(run) for item in self.conditions)]
        found = {run.folder: run for run in wanted}
        news = [
            folder for folder, run in found.items() if folder not in self.seen or run.status != self.seen[folder].status
        ]
        self.seen |= found
        self.grids = list(dict.fromkeys([*self.grids, *grids]))
        self.going_on = bool(self.at_work) or any(read_state(grid).word == RUNNING for grid in grids)
        return news

    @property
    def at_work(self) -> set[Path]:
        return {folder for folder, run in self.seen.items() if run.status == RUNNING}


def watch(find: Find, conditions: Sequence[Condition]) -> None:
    """Show the runs at work for which all conditions hold until none is left; one line for each news, where stdout is
    no terminal."""
    console, watched = results(), Watch(conditions)
    news = watched.look(find)
    if not watched.going_on:
        console.print("no run is running; `sspo runs` lists those there are")
        return
    if not console.is_terminal or console.is_dumb_terminal:
        tell_lines(watched, news, find)
        return
    with Live(screen(watched, console), console=console, auto_refresh=False) as live:
        while watched.going_on:
            time.sleep(LOOK_EVERY_S)
            watched.look(find)
            live.update(screen(watched, console), refresh=True)


def tell_lines(watched: Watch, news: list[Path], find: Find) -> None:
    """A line for every change of a run's status, and now and then how far it is."""
    while True:
        now = time.monotonic()
        due = [folder for folder in watched.at_work if now - watched.told.get(folder, now) >= TELL_EVERY_S]
        for folder in dict.fromkeys([*news, *sorted(due)]):
            watched.told[folder] = now
            print(line(watched.seen[folder]), flush=True)
        if not watched.going_on:
            return
        time.sleep(LOOK_EVERY_S)
        news = watched.look(find)


def line(run: Record) -> str:
    words = [f"{run.folder}: {run.status}", *([f"step {steps}"] if (steps := steps_of(run)) else [])]
    words += [f"accuracy {share}"] if (share := written_share(run.last(METRIC))) else []
    words += [f"ETA {duration(left_s(run))}"] if run.status == RUNNING else []
    return printable(", ".join(words), sys.stdout.encoding)


def screen(watched: Watch, console: Console) -> RenderableType:
    parts: list[RenderableType] = [Text(grid_line(grid, watched), style="bold") for grid in watched.grids]
    room = max(1, console.height - len(parts) - 3)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("run", style="cyan", overflow="fold", ratio=1)
    table.add_column("status")
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("", width=BAR_WIDTH)
    for name in ("accuracy", "ETA"):
        table.add_column(name, justify="right", no_wrap=True)
    runs = sorted(watched.seen.values(), key=lambda run: run.status != RUNNING)
    for run in runs[:room]:
        steps = run.steps or 1
        table.add_row(
            Text(printable(title(run.folder), console.encoding)),
            Text(run.status, style=STYLES.get(run.status, "")),
            steps_of(run),
            ProgressBar(total=steps, completed=min(run.step or 0, steps), width=BAR_WIDTH),
            written_share(run.last(METRIC)),
            duration(left_s(run)) if run.status == RUNNING else "",
        )
    more = [Text(f"and {count(len(runs) - room, 'run')} more", style="dim")] if len(runs) > room else []
    return Group(*parts, table, *more)


def left_s(run: Record) -> float | None:
    """Seconds to its last step, were it to go on as so far."""
    if not run.step or not run.steps or not run.minutes:
        return None
    per_step = 60 * run.minutes / run.step
    return max(0.0, per_step * (run.steps - run.step) - (time.time() - run.changed))


def grid_line(grid: Path, watched: Watch) -> str:
    """For example compare/three: 3 of 9 cells done, 2 running, ETA 4:10."""
    try:
        cells = [grid / cell["folder"] for cell in read_grid_file(grid)["cells"]]
    except (OSError, BrokenFile):
        return f"{grid.parent.name}/{grid.name}"
    states = Counter(read_state(cell).word for cell in cells)
    words = [f"{states['done']} of {count(len(cells), 'cell')} done"]
    words += [f"{number} {state}" for state, number in states.items() if state not in ("done", "not started")]
    going = [run for run in watched.seen.values() if run.folder in cells and run.status == RUNNING]
    known = [60 * run.minutes + left for run in going if run.minutes and (left := left_s(run)) is not None]
    if known:
        seconds = sum(left_s(run) or 0.0 for run in going) + states["not started"] * sum(known) / len(known)
        words.append(f"ETA {duration(seconds / len(going))}")
    return f"{grid.parent.name}/{grid.name}: {', '.join(words)}"
