"""What a person wants to see when a grid ends: the table and the words under it, on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sspo_cli.analysis.grid.tables import Table, course_table, results_table

GAP = 2
MOST_ROWS = 20


def print_results(folder: Path, summary: Mapping[str, Any]) -> None:
    """Print the ranked table with its intervals, how each point got there, what may be concluded, and where to look."""
    console = Console(highlight=False, markup=False, emoji=False)
    answer, *others = summary["words"]
    console.print(Text(answer, style="bold"))
    for table in (results_table(summary), course_table(summary)):
        console.print()
        console.print(drawn(table, console.width))
        if len(table.rows) > MOST_ROWS:
            console.print(f"... and {len(table.rows) - MOST_ROWS} more, in the report")
    console.print()
    for sentence in others:
        console.print(sentence)
    for failure in summary["failures"]:
        console.print(told(folder, failure), soft_wrap=True)
    if summary["best_command"]:
        console.print(f"\nbest point:\n  {summary['best_command']}", soft_wrap=True)
    console.print(f"\nreport: {folder / 'report.html'}", soft_wrap=True)


def told(folder: Path, failure: Mapping[str, Any]) -> str:
    """One line on a cell that is not done: what, where, why, and its log."""
    log = folder / failure["cell"] / "log.txt"
    reason = f": {failure['reason']}" if failure["reason"] else ""
    return f"{failure['state']}: {failure['cell']}{reason}{f' (log: {log})' if log.is_file() else ''}"


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
