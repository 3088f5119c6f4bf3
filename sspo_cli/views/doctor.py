"""The screen of `sspo doctor`: a line for each thing that was looked at."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sspo_cli.views.console import results

STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


def print_findings(findings: Sequence[tuple[str, str, str, str]]) -> None:
    """Rows of state, name, what was found, and what mends it."""
    console = results()
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for state, name, found, fix in findings:
        line = Text(found)
        if fix:
            line.append(f"\n-> {fix}", style="bold")
        table.add_row(Text(state, style=STYLES[state]), name, line)
    console.print(table)
    counts = [f"{sum(row[0] == state for row in findings)} {state}" for state in STYLES]
    console.print(Text(f"\n{', '.join(counts)}", style="dim"))
