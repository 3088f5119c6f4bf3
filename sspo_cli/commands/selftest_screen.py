"""The table of `sspo selftest`: a row for each objective, a column for each law."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import choice_file, shipped
from sspo_cli.config.schema import ObjectiveConfig
from sspo_cli.laws.laws import LAWS, Subject, Verdict
from sspo_cli.views.console import print_json, results

MARKS = {"holds": ("✓", "green"), "broken": ("✗", "bold red"), "does not apply": ("–", "dim")}
ASCII = {"✓": "ok", "✗": "NO", "–": "-"}


@dataclass(frozen=True)
class Row:
    """What became of one objective: a verdict for each law, or why it could not be built."""

    name: str
    verdicts: dict[str, Verdict]
    problems: list[str]

    @property
    def failures(self) -> list[str]:
        """One line for each problem and each broken law."""
        broken = [f"{law}: {found.reason}" for law, found in self.verdicts.items() if found.outcome == "broken"]
        return [f"{self.name}: {line}" for line in self.problems + broken]

    @property
    def is_users(self) -> bool:
        file = choice_file("objective", self.name)
        return file is not None and not file.is_relative_to(shipped("conf"))


def ask(name: str, found: ObjectiveConfig | ConfigError) -> Row:
    """Every law, of the objective that was composed."""
    if isinstance(found, ConfigError):
        return Row(name, {}, found.problems)
    try:
        subject = Subject.of(found)
    except ConfigError as error:
        return Row(name, {}, error.problems)
    return Row(name, {law: LAWS[law].verdict(subject) for law in LAWS}, [])


def rows_to_json(rows: list[Row]) -> None:
    print_json(
        {
            "laws": {name: law.about for name, law in LAWS.items()},
            "objectives": {
                row.name: {
                    "yours": row.is_users,
                    "problems": row.problems,
                    "laws": {
                        law: {"outcome": found.outcome, "reason": found.reason} for law, found in row.verdicts.items()
                    },
                }
                for row in rows
            },
            "broken": [row.name for row in rows if row.failures],
        }
    )


def print_rows(rows: list[Row], seconds: float) -> None:
    """The table, what its columns mean, a line for each failure, and the verdict."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("objective", no_wrap=True)
    for heading in ("yaml", *LAWS):
        table.add_column(heading, justify="center", overflow="fold")
    for row in rows:
        name = Text(row.name, style="bold red" if row.failures else "cyan")
        yours = Text(" (yours)", style="green") if row.is_users else Text()
        outcomes = ["broken" if row.problems else "holds", *(found.outcome for found in row.verdicts.values())]
        table.add_row(name + yours, *(mark(outcome) for outcome in outcomes))
    legend = Table.grid(padding=(0, 2, 0, 0))
    for heading, about in [("yaml", "the file composes"), *((name, law.about) for name, law in LAWS.items())]:
        legend.add_row(Text(heading, style="dim"), Text(about, style="dim"))
    console = results()
    console.print(table)
    console.print(legend)
    console.print()
    for line in (line for row in rows for line in row.failures):
        console.print(Text(line, style="red"))
    console.print(verdict(rows, seconds))


def mark(outcome: str) -> Text:
    sign, style = MARKS[outcome]
    try:
        sign.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        sign = ASCII[sign]
    return Text(sign, style=style)


def verdict(rows: list[Row], seconds: float) -> Text:
    broken = [row.name for row in rows if row.failures]
    if broken:
        return Text(f"{len(broken)} of {len(rows)} objectives fail: {', '.join(broken)}", style="bold red")
    who = f"all {len(rows)} objectives keep" if len(rows) > 1 else f"{rows[0].name} keeps"
    return Text(f"{who} every law that applies, {seconds:.1f} s", style="bold green")
