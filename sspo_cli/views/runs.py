"""The screen of `sspo runs`: a row for each run, in as many columns as there is room for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sspo_cli.config.wording import show_value
from sspo_cli.plural import count
from sspo_cli.runs.query import value_of
from sspo_cli.runs.record import Record
from sspo_cli.runs.status import RUNNING
from sspo_cli.views.console import PIPE_WIDTH, results
from sspo_cli.views.summary import printable

METRIC = "eval/accuracy"
RUN_WIDTH = 24  # the least, where the screen is narrow
STYLES = {
    "done": "green",
    "running": "cyan",
    "interrupted": "yellow",
    "failed": "bold red",
    "died": "bold red",
    "half-written": "red",
}


@dataclass(frozen=True)
class Column:
    """A column of the table. rank: the highest goes first where the screen is narrow; 0 stays."""

    title: str
    cell: Callable[[Record], str]
    rank: int = 0
    left: bool = False


COLUMNS = (
    Column("run", lambda run: str(run.folder), left=True),
    Column("status", lambda run: run.status, left=True),
    Column("objective", lambda run: run.choices.get("objective", ""), rank=3, left=True),
    Column("model", lambda run: model_of(run), rank=8, left=True),
    Column("dataset", lambda run: run.choices.get("dataset", ""), rank=7, left=True),
    Column("seed", lambda run: written_value(run.config.get("seed")), rank=4),
    Column("step", lambda run: steps_of(run), rank=1),
    Column("accuracy", lambda run: written_share(run.last(METRIC))),
    Column("95 % interval", lambda run: interval_of(run), rank=5),
    Column("minutes", lambda run: "" if run.minutes is None else f"{run.minutes:.1f}", rank=6),
    Column("age", lambda run: written_age(value_of(run, "age")), rank=2),
)
# What the columns tell already.
SHOWN = {"folder", "status", "objective", "dataset", "seed", "step", "steps", "minutes", "age", METRIC}


def print_runs(runs: Sequence[Record], of: int, asked: Sequence[str]) -> None:
    """The table, with a column for every key asked about and as many others as fit, and the notes of every run."""
    console = results()
    columns = [replace(column, rank=0) if column.title in asked else column for column in COLUMNS]
    columns += [extra_column(key) for key in asked if key not in SHOWN]
    hidden: list[str] = []
    unbounded = console.options.update_width(PIPE_WIDTH)
    while Measurement.get(console, unbounded, runs_table(runs, columns, console)).maximum > console.width:
        first = max(columns, key=lambda column: column.rank)
        if not first.rank:
            break
        columns.remove(first)
        hidden.append(first.title)
    console.print(runs_table(runs, columns, console))
    for run in runs:
        for note in run.notes:
            colour = "cyan" if run.status == RUNNING else "red"
            console.print(Text(printable(f"{run.folder}: {note}", console.encoding), style=colour), soft_wrap=True)
    print_footer(console, len(runs), of, hidden)


def runs_table(runs: Sequence[Record], columns: Sequence[Column], console: Console) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        grid.add_column(
            column.title,
            justify="left" if column.left else "right",
            no_wrap=column.title != "run",
            min_width=RUN_WIDTH if column.title == "run" else None,
            max_width=max(RUN_WIDTH, console.width // 2),
            overflow="fold",
        )
    for run in runs:
        cells = (Text(printable(column.cell(run), console.encoding), style=style_of(column, run)) for column in columns)
        grid.add_row(*cells)
    return grid


def extra_column(key: str) -> Column:
    return Column(key, lambda run: written_value(value_of(run, key)))


def style_of(column: Column, run: Record) -> str:
    return STYLES.get(run.status, "") if column.title == "status" else "cyan" if column.title == "run" else ""


def print_footer(console: Console, shown: int, of: int, hidden: Sequence[str]) -> None:
    words = [f"{shown} of {count(of, 'run')}" if shown < of else count(of, "run")]
    if hidden:
        words.append(f"no room for {', '.join(reversed(hidden))} (--json has all)")
    console.print(Text("; ".join(words), style="dim"))


def model_of(run: Record) -> str:
    """The choice; of a model that is named by a path, the path; of a checkpoint, its run and step."""
    choice = run.choices.get("model", "")
    path = str(run.config.get("model.path", choice)) if choice in ("hub", "local") else choice
    found = re.search(r"([^/]+)/checkpoints/step_0*(\d+)/?$", path)
    return f"{found[1]} step {found[2]}" if found else path


def steps_of(run: Record) -> str:
    return "" if run.steps is None else f"{written_value(run.step) or '-'}/{run.steps}"


def written_share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def interval_of(run: Record) -> str:
    low, high = run.last(f"{METRIC}_low"), run.last(f"{METRIC}_high")
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def written_age(hours: float) -> str:
    """Of the unit that leaves one or two digits."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "m")):
        if hours >= size:
            return f"{hours / size:.0f} {unit}"
    return "now"


def written_value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else show_value(value)
