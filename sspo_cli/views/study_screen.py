"""What a person sees of a study on stdout: what it would do and cost, or what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sspo_cli.config.describe import batch_sentence
from sspo_cli.study.cost import Preview
from sspo_cli.study.grid import Run
from sspo_cli.study.results import Study
from sspo_cli.views.console import print_json, results
from sspo_cli.views.study_tables import Table, course_table, results_table

GAP = 2
MOST_ROWS = 20


def print_results(study: Study, *, as_json: bool = False) -> None:
    """Print the ranked table with its intervals, how each point got there, what may be concluded, and where to look."""
    folder = study.grid.folder
    if as_json:
        print(json.dumps({"folder": str(folder), **study.summary()}))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    answer, *others = study.words
    console.print(Text(answer, style="bold"))
    for table in (results_table(study), course_table(study, with_minutes=False)):
        console.print()
        console.print(drawn(table, console.width))
        if len(table.rows) > MOST_ROWS:
            console.print(f"... and {len(table.rows) - MOST_ROWS} more, in the report")
    console.print()
    for sentence in others:
        console.print(sentence)
    for run in study.failures:
        console.print(failure_line(run), soft_wrap=True)
    if study.best_command:
        console.print(f"\nbest point:\n  {study.best_command}", soft_wrap=True)
    console.print(f"\nreport: {folder / 'report.html'}", soft_wrap=True)


def failure_line(run: Run) -> str:
    """One line on a cell that is not done: what, where, why, and its log."""
    reason = f": {run.reason}" if run.reason else ""
    return f"{run.state}: {run.cell.place}{reason}{f' (log: {run.log})' if run.log else ''}"


def drawn(table: Table, width: int) -> RichTable:
    """The table, without the last columns where the terminal is too narrow for them: the report has them all."""
    shown = RichTable(box=None, pad_edge=False, padding=(0, GAP // 2), header_style="dim")
    used = 0
    for place, column in enumerate(table.columns):
        # Titles wrap between words; what stands under them never does.
        longest = max(len(text) for text in [*column.split(), *(row[place].text for row in table.rows)])
        used += longest + GAP
        if used > width and place > table.words:
            break
        shown.add_column(column, justify="left" if place < table.words else "right", width=longest)
    for row in table.rows[:MOST_ROWS]:
        shown.add_row(*(entry.text for entry in row[: len(shown.columns)]))
    return shown


def print_preview(preview: Preview, *, as_json: bool) -> None:
    """The cells, what they cost, and what their seeds can show."""
    plan = preview.plan
    if as_json:
        print_json(
            {
                "folder": str(plan.folder),
                "cells": [
                    {**cell.point, "seed": cell.seed, "folder": str(cell.folder), "state": state}
                    for cell, state in zip(plan.cells, preview.states, strict=True)
                ],
                "left": preview.left,
                "at_once": preview.how.at_once,
                "threads": preview.how.threads,
                "cost_of_a_cell": asdict(preview.cost) if preview.cost else None,
                "seconds": preview.seconds,
                "power": preview.power,
                "notes": preview.notes,
            }
        )
        return
    console = results()
    console.print(Text(f"{plan.kind} in {plan.folder}", style="bold"))
    console.print(states_table(preview))
    better = "higher" if plan.section.direction == "max" else "lower"
    against = f", compared with {plan.baseline}" if plan.baseline else ""
    console.print(f"metric: {plan.section.metric}, {better} is better{against}")
    limits = plan.config.train
    extra = [f" or {limits.max_tokens:,} tokens" if limits.max_tokens else ""]
    extra += [f" or {limits.max_minutes:g} minutes" if limits.max_minutes else ""]
    console.print(f"each cell: {limits.steps} steps{''.join(extra)}; {batch_sentence(plan.config)}")
    console.print(f"cost: {cost_sentence(preview)}")
    console.print(f"power: {preview.power}")
    for note in preview.notes:
        console.print(Text(note, style="yellow"))


def states_table(preview: Preview) -> RichTable:
    """A row for every point, a column for every seed."""
    cells = preview.plan.cells
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for seed in dict.fromkeys(cell.seed for cell in cells):
        table.add_column(f"seed {seed}")
    rows: dict[str, list[str]] = {}
    for cell, state in zip(cells, preview.states, strict=True):
        rows.setdefault(cell.name, []).append(state)
    for name, states in rows.items():
        table.add_row(Text(name, style="cyan"), *states)
    return table


def cost_sentence(preview: Preview) -> str:
    left, cost = preview.left, preview.cost
    if not left:
        return "nothing is left to run"
    runs = f"{left} run{'s' if left > 1 else ''}{preview.how}"
    if cost is None or preview.seconds is None:
        return f"{runs}; how long is unknown: two steps take more than half a minute, or fail"
    tokens = f"{left * cost.tokens:,.0f}"
    return f"{runs}: about {preview.seconds / 60:.1f} minutes and {tokens} response tokens ({cost.source})"
