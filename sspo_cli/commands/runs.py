"""`sspo runs`: the runs there are, filtered and sorted by anything they know of themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.wording import show_value
from sspo_cli.runs.find import find_runs
from sspo_cli.runs.query import FACTS, Condition, check_keys, ordered, parse_condition, value_of
from sspo_cli.runs.record import Record, read_record
from sspo_cli.runs.status import RUNNING
from sspo_cli.views.console import PIPE_WIDTH, print_json, results
from sspo_cli.views.display import phases
from sspo_cli.views.summary import printable

OUTPUTS = Path("outputs")
METRIC = "eval/accuracy"
NEWEST_FIRST = "age"
RUN_WIDTH = 24  # the least, where the screen is narrow
QUICK = 50  # so many are read before a bar could be seen
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
    Column("model", lambda run: model(run), rank=8, left=True),
    Column("dataset", lambda run: run.choices.get("dataset", ""), rank=7, left=True),
    Column("seed", lambda run: cell(run.config.get("seed")), rank=4),
    Column("step", lambda run: step(run), rank=1),
    Column("accuracy", lambda run: percent(run.last(METRIC))),
    Column("95 % interval", lambda run: interval(run), rank=5),
    Column("minutes", lambda run: "" if run.minutes is None else f"{run.minutes:.1f}", rank=6),
    Column("age", lambda run: age(value_of(run, "age")), rank=2),
)
# What the columns tell already.
SHOWN = {"folder", "status", "objective", "dataset", "seed", "step", "steps", "minutes", "age", METRIC}


def run(folders: list[Path], *, where: list[str], sort: str | None, limit: int | None, as_json: bool) -> int:
    """Print the runs below `folders` (outputs, if none is given) for which all of `where` holds.

    Raises:
        ConfigError: for a folder that is not there, and for conditions and keys that make no sense of any run.
    """
    conditions = [parse_condition(text) for text in where]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise ConfigError(f"{folder}: no such folder; runs are in folders such as outputs/train" for folder in missing)
    found = read_all(folders or [OUTPUTS], quiet=as_json)
    keys = [condition.key for condition in conditions] + ([sort.removeprefix("-")] if sort else [])
    if found:
        check_keys(keys, found)
    chosen = [run for run in found if all(condition.holds(run) for condition in conditions)]
    chosen = ordered(chosen, sort or NEWEST_FIRST)
    shown = chosen[:limit]
    if as_json:
        print_json([to_json(run) for run in shown])
    elif not shown:
        print(nothing(folders or [OUTPUTS], found, conditions))
    else:
        print_runs(shown, len(chosen), list(dict.fromkeys(keys)))
    return 0


def read_all(folders: Sequence[Path], *, quiet: bool) -> list[Record]:
    """The record of every run below `folders`, each once."""
    places = list(dict.fromkeys(place for folder in folders for place in find_runs(folder)))
    with phases(quiet=quiet or len(places) < QUICK) as tell:
        found = []
        for number, place in enumerate(places, start=1):
            found.append(read_record(place))
            tell("reading runs", number, len(places))
    return found


def to_json(run: Record) -> dict[str, Any]:
    facts = {key: fact(run) for key, fact in FACTS.items()}
    metrics = {name: run.last(name) for name in run.figures}
    return {**facts, "notes": run.notes, "choices": run.choices, "config": run.config, "metrics": metrics}


def nothing(folders: Sequence[Path], found: Sequence[Record], conditions: Sequence[Condition]) -> str:
    """Why the list is empty, and the way out."""
    places = ", ".join(str(folder) for folder in folders)
    if not found:
        return f"no runs in {places}; make one with `sspo train objective=sspo`, or name another folder"
    alone = [condition for condition in conditions if not any(condition.holds(run) for run in found)]
    if not alone:
        return f"none of the {len(found)} runs in {places} meets all conditions together"
    values = {show_value(value) for run in found if (value := value_of(run, alone[0].key)) is not None}
    few = ", ".join(sorted(values)[:8]) + (", ..." if len(values) > 8 else "")
    return f"none of the {len(found)} runs in {places} has {alone[0].text}; {alone[0].key} is {few}"


def print_runs(runs: Sequence[Record], of: int, asked: Sequence[str]) -> None:
    """The table, with a column for every key asked about and as many others as fit, and the notes of every run."""
    console = results()
    columns = [replace(column, rank=0) if column.title in asked else column for column in COLUMNS]
    columns += [extra(key) for key in asked if key not in SHOWN]
    hidden: list[str] = []
    unbounded = console.options.update_width(PIPE_WIDTH)
    while Measurement.get(console, unbounded, table(runs, columns, console)).maximum > console.width:
        first = max(columns, key=lambda column: column.rank)
        if not first.rank:
            break
        columns.remove(first)
        hidden.append(first.title)
    console.print(table(runs, columns, console))
    for run in runs:
        for note in run.notes:
            colour = "cyan" if run.status == RUNNING else "red"
            console.print(Text(printable(f"{run.folder}: {note}", console.encoding), style=colour), soft_wrap=True)
    footer(console, len(runs), of, hidden)


def table(runs: Sequence[Record], columns: Sequence[Column], console: Console) -> Table:
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
        cells = (Text(printable(column.cell(run), console.encoding), style=style(column, run)) for column in columns)
        grid.add_row(*cells)
    return grid


def extra(key: str) -> Column:
    return Column(key, lambda run: cell(value_of(run, key)))


def style(column: Column, run: Record) -> str:
    return STYLES.get(run.status, "") if column.title == "status" else "cyan" if column.title == "run" else ""


def footer(console: Console, shown: int, of: int, hidden: Sequence[str]) -> None:
    words = [f"{shown} of {of} runs" if shown < of else f"{of} run{'s' if of > 1 else ''}"]
    if hidden:
        words.append(f"no room for {', '.join(reversed(hidden))} (--json has all)")
    console.print(Text("; ".join(words), style="dim"))


def model(run: Record) -> str:
    """The choice, or the name of a model of the hub."""
    choice = run.choices.get("model", "")
    return str(run.config.get("model.path", choice)) if choice == "hub" else choice


def step(run: Record) -> str:
    return "" if run.steps is None else f"{cell(run.step) or '-'}/{run.steps}"


def percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def interval(run: Record) -> str:
    low, high = run.last(f"{METRIC}_low"), run.last(f"{METRIC}_high")
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def age(hours: float) -> str:
    """Of the unit that leaves one or two digits."""
    for size, unit in ((24.0, "d"), (1.0, "h"), (1 / 60, "m")):
        if hours >= size:
            return f"{hours / size:.0f} {unit}"
    return "now"


def cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else show_value(value)
