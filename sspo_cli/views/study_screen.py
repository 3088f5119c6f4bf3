"""What a person sees of a study on stdout: what it would do and cost, or what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sspo_cli.config.describe import batch_sentence, response_tokens
from sspo_cli.plural import count
from sspo_cli.study.cost import Preview
from sspo_cli.study.grid import Run
from sspo_cli.study.next import next_commands
from sspo_cli.study.results import Study
from sspo_cli.views.console import print_commands, print_json, results
from sspo_cli.views.study_tables import Table, contrasts_table, course_table, headline, results_table, tasks_table
from sspo_cli.views.values import time_taken

GAP = 2
MOST_TITLE_LINES = 4
TO_DO = {"waiting": "to run"}
MOST_ROWS = 20  # of a terminal; a pipe gets them all


def print_results(study: Study, *, as_json: bool = False) -> None:
    """Print what may be concluded, the ranked table with its intervals, how each point got there, what to do next."""
    folder = study.grid.folder
    if as_json:
        print(json.dumps({"folder": str(folder), **study.summary()}))
        return
    console = results()
    answer, *others = study.words
    console.print(Text(answer, style="bold"))
    console.print(Text(headline(study), style="dim"))
    for table in (results_table(study), contrasts_table(study), tasks_table(study)):
        if table is not None:
            print_table(console, table)
    if others:
        console.print()
    for sentence in others:
        console.print(sentence)
    print_table(console, course_table(study, with_minutes=False))
    if study.failures:
        console.print()
    for run in study.failures:
        console.print(failure_line(run), soft_wrap=True)
    console.print(f"\nreport: {folder / 'report.html'}", soft_wrap=True)
    print_commands(console, next_commands(study))


def print_table(console: Console, table: Table) -> None:
    """The table and a line on what its columns mean; in parts, one below the other, where the screen is too narrow."""
    most = MOST_ROWS if sys.stdout.isatty() else len(table.rows)
    widths = column_widths(table, console.width)
    for columns in parts(table, widths, console.width):
        console.print()
        console.print(drawn(table, {place: widths[place] for place in columns}, most))
    if len(table.rows) > most:
        console.print(f"... and {len(table.rows) - most} more, in the report")
    console.print(Text(table.note, style="dim"))


def failure_line(run: Run) -> str:
    """One line on a cell that is not done: what, where, why, and its log."""
    reason = f": {run.reason}" if run.reason else ""
    return f"{run.state}: {run.cell.place}{reason}{f' (log: {run.log})' if run.log else ''}"


def column_widths(table: Table, width: int) -> list[int]:
    """The width of every column, with titles of as few lines as fit beside each other."""
    for lines in range(1, MOST_TITLE_LINES + 1):
        widths = [
            max([title_width(title, lines), *(len(row[place].text) for row in table.rows)])
            for place, title in enumerate(table.columns)
        ]
        if sum(widths) + GAP * (len(widths) - 1) <= width:
            break
    return widths


def title_width(title: str, lines: int) -> int:
    """The least in which `title` takes so many lines, its words whole."""
    longest = max(map(len, title.split()))
    return next(width for width in range(longest, len(title) + 1) if len(wrap(title, width)) <= lines)


def parts(table: Table, widths: Sequence[int], width: int) -> Iterator[list[int]]:
    """The places of the columns that fit beside each other; every part begins with the names."""
    names = list(range(table.words))
    part: list[int] = []
    for place in range(table.words, len(table.columns)):
        beside = [*names, *part, place]
        if part and sum(widths[other] + GAP for other in beside) - GAP > width:
            yield names + part
            part = []
        part.append(place)
    yield names + part


def drawn(table: Table, widths: Mapping[int, int], most: int) -> RichTable:
    """The columns at these places, so wide, of the first rows."""
    shown = RichTable(box=None, pad_edge=False, padding=(0, GAP // 2), header_style="dim")
    for place, width in widths.items():
        justify: Literal["left", "right"] = "left" if place < table.words else "right"
        shown.add_column(table.columns[place], justify=justify, width=width)
    for row in table.rows[:most]:
        shown.add_row(*(row[place].text for place in widths))
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
    for line in preview_lines(preview):
        console.print(Text(line, style="bold"))
    for note in preview.notes:
        console.print(Text(note, style="yellow"))
    better = "higher" if plan.section.direction == "max" else "lower"
    against = f", compared with {plan.baseline}" if plan.baseline else ""
    console.print(f"metric: {plan.section.metric}, {better} is better{against}")
    console.print()
    console.print(states_table(preview))


def preview_lines(preview: Preview) -> list[str]:
    """What matters most, in four lines."""
    plan, limits = preview.plan, preview.plan.config.train
    extra = [f" or {limits.max_tokens:,} tokens" if limits.max_tokens else ""]
    extra += [f" or {limits.max_minutes:g} minutes" if limits.max_minutes else ""]
    points = len({cell.name for cell in plan.cells})
    size = f"{count(points, 'objective' if plan.baseline else 'point')} x {count(len(plan.axes[-1].words), 'seed')}"
    return [
        f"{plan.kind} in {plan.folder}: {size}",
        f"each cell: {count(limits.steps, 'step')}{''.join(extra)}; {batch_sentence(plan.config)}",
        f"cost: {cost_sentence(preview)}",
        preview.power,
    ]


def states_table(preview: Preview) -> RichTable:
    """A row for every point, a column for every state, with the seeds that are in it."""
    places: dict[str, dict[str, list[str]]] = {}
    for cell, state in zip(preview.plan.cells, preview.states, strict=True):
        places.setdefault(cell.name, {}).setdefault(TO_DO.get(state, state), []).append(str(cell.seed))
    table = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, GAP, 0, 0))
    table.add_column("point" if preview.plan.baseline is None else "objective")
    states = dict.fromkeys(state for found in places.values() for state in found)
    for state in states:
        table.add_column(f"seeds {state}")
    for name, found in places.items():
        table.add_row(Text(name, style="cyan"), *(", ".join(found.get(state, [])) for state in states))
    return table


def cost_sentence(preview: Preview) -> str:
    left, cost, config = preview.left, preview.cost, preview.plan.config
    if not left:
        return "nothing is left to run"
    runs = f"{count(left, 'run')}{preview.how}"
    if cost is not None and preview.seconds is not None:
        tokens = f"{left * cost.tokens:,.0f}"
        return f"{runs}: about {time_taken(preview.seconds)} and {tokens} response tokens ({cost.source})"
    if preview.probed:
        return f"{runs}; how long is unknown: two steps take more than half a minute, or fail"
    most = [config.train.steps * per_step] if (per_step := response_tokens(config)) else []
    most += [config.train.max_tokens] if config.train.max_tokens else []
    tokens = f"; at most {left * min(most):,} response tokens" if most else ""
    return f"{runs}{tokens}; time unknown, as no run here is like these; --probe measures two steps"
