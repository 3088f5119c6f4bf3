"""`sspo compare --dry-run` and `sspo sweep --dry-run`: the cells, what they cost, and what their seeds can show."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.commands.grid import notes_of, together
from sspo_cli.config.describe import batch_sentence
from sspo_cli.grid.cost import Cost, cost_of_a_cell, total_seconds
from sspo_cli.grid.follow import DONE, WAITING
from sspo_cli.grid.launcher import Launch
from sspo_cli.grid.run import Grid, find_left
from sspo_cli.grid.spread import power_sentence
from sspo_cli.views.console import print_json, results
from sspo_cli.views.display import waiting

TODO = {"nothing": DONE, "start": WAITING, "resume": "to resume", "redo": "to redo"}


def preview(grid: Grid, how: Launch, *, quiet: bool, as_json: bool) -> None:
    """Print what running `grid` would do.

    Raises:
        ConfigError: where running it would be refused.
    """
    todo = [TODO[finding.todo] for finding in find_left(grid)]
    left = len(todo) - todo.count(DONE)
    cost = None
    if left:
        with waiting("taking one step, to see how long it takes", quiet=quiet):
            cost = cost_of_a_cell(grid.request, how)
    facts = {
        "folder": str(grid.folder),
        "cells": [
            {**cell.cell.point, "seed": cell.cell.seed, "folder": str(cell.folder), "state": state}
            for cell, state in zip(grid.cells, todo, strict=True)
        ],
        "left": left,
        "at_once": how.at_once,
        "threads": how.threads,
        "cost_of_a_cell": asdict(cost) if cost else None,
        "seconds": total_seconds(cost, left, how.at_once) if cost else None,
        "power": power_sentence(grid.request),
        "notes": notes_of(grid.request, how),
    }
    if as_json:
        print_json(facts)
        return
    console = results()
    console.print(Text(f"{grid.request.kind} in {grid.folder}", style="bold"))
    console.print(table_of(grid, todo))
    print_facts(console, grid, how, cost, facts)


def table_of(grid: Grid, todo: list[str]) -> Table:
    """A row for every point, a column for every seed."""
    seeds = list(dict.fromkeys(cell.cell.seed for cell in grid.cells))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for seed in seeds:
        table.add_column(f"seed {seed}")
    rows: dict[str, dict[int, str]] = {}
    for cell, state in zip(grid.cells, todo, strict=True):
        rows.setdefault(cell.cell.name, {})[cell.cell.seed] = state
    for point, states in rows.items():
        table.add_row(Text(point, style="cyan"), *(states[seed] for seed in seeds))
    return table


def print_facts(console: Console, grid: Grid, how: Launch, cost: Cost | None, facts: dict[str, Any]) -> None:
    request = grid.request
    limits = request.config.train
    better = "higher" if request.section.direction == "max" else "lower"
    against = f", compared with {request.baseline}" if request.baseline else ""
    console.print(f"metric: {request.section.metric}, {better} is better{against}")
    extra = [f" or {limits.max_tokens:,} tokens" if limits.max_tokens else ""]
    extra += [f" or {limits.max_minutes:g} minutes" if limits.max_minutes else ""]
    console.print(f"each cell: {limits.steps} steps{''.join(extra)}; {batch_sentence(request.config)}")
    console.print(f"cost: {cost_sentence(cost, how, facts)}")
    console.print(f"power: {facts['power']}")
    for note in facts["notes"]:
        console.print(Text(note, style="yellow"))


def cost_sentence(cost: Cost | None, how: Launch, facts: dict[str, Any]) -> str:
    left = facts["left"]
    if not left:
        return "nothing is left to run"
    runs = f"{left} run{'s' if left > 1 else ''}{together(how)}"
    if cost is None:
        return f"{runs}; how long is unknown: two steps take more than half a minute, or fail"
    tokens = f"{left * cost.tokens:,.0f}"
    return f"{runs}: about {facts['seconds'] / 60:.1f} minutes and {tokens} response tokens ({cost.source})"
