"""The screen of `sspo selftest`: a row for each objective, a column for each law."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from sspo_cli.views.console import results

MARKS = {"holds": ("✓", "green"), "broken": ("✗", "bold red"), "does not apply": ("–", "dim")}
ASCII = {"✓": "ok", "✗": "NO", "–": "-"}


@dataclass(frozen=True)
class Outcome:
    """What became of one law: "holds", "broken" or "does not apply", and why."""

    outcome: str
    reason: str


@dataclass(frozen=True)
class Row:
    """What became of one objective: an outcome for each law, or why it could not be built. yours: whether a user wrote
    it."""

    name: str
    yours: bool
    outcomes: dict[str, Outcome]
    problems: list[str]

    @property
    def failures(self) -> list[str]:
        """One line for each problem and each broken law."""
        broken = [f"{law}: {found.reason}" for law, found in self.outcomes.items() if found.outcome == "broken"]
        return [f"{self.name}: {line}" for line in self.problems + broken]


def as_data(laws: Mapping[str, str], rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "laws": dict(laws),
        "objectives": {
            row.name: {
                "yours": row.yours,
                "problems": row.problems,
                "laws": {law: asdict(found) for law, found in row.outcomes.items()},
            }
            for row in rows
        },
        "broken": [row.name for row in rows if row.failures],
    }


def print_laws(laws: Mapping[str, str], rows: Sequence[Row], seconds: float) -> None:
    """The table, what its columns mean, a line for each failure, and the verdict. laws: what each asks, by name."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    table.add_column("objective", no_wrap=True)
    for heading in ("yaml", *laws):
        table.add_column(heading, justify="center", overflow="fold")
    for row in rows:
        name = Text(row.name, style="bold red" if row.failures else "cyan")
        yours = Text(" (yours)", style="green") if row.yours else Text()
        outcomes = ["broken" if row.problems else "holds", *(found.outcome for found in row.outcomes.values())]
        table.add_row(name + yours, *(outcome_mark(outcome) for outcome in outcomes))
    legend = Table.grid(padding=(0, 2, 0, 0))
    for heading, about in [("yaml", "the file composes"), *laws.items()]:
        legend.add_row(Text(heading, style="dim"), Text(about, style="dim"))
    console = results()
    console.print(table)
    console.print()
    console.print(legend)
    console.print()
    for line in (line for row in rows for line in row.failures):
        console.print(Text(line, style="red"))
    console.print(conclusion(rows, seconds))


def outcome_mark(outcome: str) -> Text:
    sign, style = MARKS[outcome]
    try:
        sign.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        sign = ASCII[sign]
    return Text(sign, style=style)


def conclusion(rows: Sequence[Row], seconds: float) -> Text:
    broken = [row.name for row in rows if row.failures]
    if broken:
        return Text(f"{len(broken)} of {len(rows)} objectives fail: {', '.join(broken)}", style="bold red")
    who = f"all {len(rows)} objectives keep" if len(rows) > 1 else f"{rows[0].name} keeps"
    return Text(f"{who} every law that applies, {seconds:.1f} s", style="bold green")
