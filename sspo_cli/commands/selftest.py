"""`sspo selftest`: the laws of an objective, asked of every one there is, a user's own included."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.commands.screen import print_json, results
from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import choice_file, groups, shipped
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import TrainConfig
from sspo_cli.laws.laws import LAWS, Subject, Verdict
from sspo_cli.tracking.display import phases

MARKS = {"holds": ("✓", "green"), "broken": ("✗", "bold red"), "does not apply": ("–", "dim")}
ASCII = {"✓": "ok", "✗": "NO", "–": "-"}


@dataclass(frozen=True)
class Row:
    """What became of one objective: a verdict for each law, or why its file does not compose."""

    name: str
    verdicts: dict[str, Verdict]
    problems: list[str]

    @property
    def failures(self) -> list[str]:
        """One line for each problem and each broken law."""
        broken = [f"{law}: {found.reason}" for law, found in self.verdicts.items() if found.outcome == "broken"]
        return [f"{self.name}: {line}" for line in self.problems + broken]


def run(words: Sequence[str], *, as_json: bool) -> int:
    """Print the table; exit code 1 if a law is broken or an objective does not compose.

    Raises:
        ConfigError: for an unknown name, or if no objective composes.
    """
    names, overrides = read(words)
    start = time.monotonic()
    rows = []
    with phases(quiet=False) as progress:
        for done, name in enumerate(names):
            progress(f"laws of {len(names)} objectives", done, len(names))
            rows.append(row_of(name, overrides))
    if not any(row.verdicts for row in rows):
        raise ConfigError(dict.fromkeys(problem for row in rows for problem in row.problems))
    if as_json:
        print_json(as_dict(rows))
    else:
        print_table(results(), rows, time.monotonic() - start)
    return 1 if any(row.failures for row in rows) else 0


def read(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The objectives to ask, all of them unless some are named, and the overrides for each.

    Raises:
        ConfigError: for an unknown name.
    """
    known = groups()["objective"]
    names = list(dict.fromkeys(word for word in words if "=" not in word))
    overrides = [word for word in words if "=" in word]
    allowed = f"(allowed: {', '.join(known)}; see `sspo show objective`)"
    problems = [
        f"unknown objective '{name}'{did_you_mean(name, known)} {allowed}" for name in names if name not in known
    ]
    problems += [
        f"'{word}': objectives are named alone here: sspo selftest {' '.join(word.partition('=')[2].split(','))}"
        for word in overrides
        if word.startswith("objective=")
    ]
    if problems:
        raise ConfigError(problems)
    return names or known, overrides


def row_of(name: str, overrides: Sequence[str]) -> Row:
    words = [f"objective={name}", *overrides]
    try:
        subject = Subject.of(load_config(TrainConfig, words, rules=objective_problems).objective)
    except ConfigError as error:
        return Row(name, {}, error.problems)
    return Row(name, {law: LAWS[law].verdict(subject) for law in LAWS}, [])


def as_dict(rows: list[Row]) -> dict[str, Any]:
    return {
        "laws": {name: law.about for name, law in LAWS.items()},
        "objectives": {
            row.name: {
                "yours": is_users(row.name),
                "problems": row.problems,
                "laws": {
                    law: {"outcome": found.outcome, "reason": found.reason} for law, found in row.verdicts.items()
                },
            }
            for row in rows
        },
        "broken": [row.name for row in rows if row.failures],
    }


def print_table(console: Console, rows: list[Row], seconds: float) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("objective", no_wrap=True)
    for heading in ("yaml", *LAWS):
        table.add_column(heading, justify="center", overflow="fold")
    for row in rows:
        name = Text(row.name, style="bold red" if row.failures else "cyan")
        yours = Text(" (yours)", style="green") if is_users(row.name) else Text()
        outcomes = ["broken" if row.problems else "holds", *(found.outcome for found in row.verdicts.values())]
        table.add_row(name + yours, *(mark(outcome) for outcome in outcomes))
    console.print(table)
    legend = Table.grid(padding=(0, 2, 0, 0))
    for heading, about in [("yaml", "the file composes"), *((name, law.about) for name, law in LAWS.items())]:
        legend.add_row(Text(heading, style="dim"), Text(about, style="dim"))
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


def is_users(name: str) -> bool:
    file = choice_file("objective", name)
    return file is not None and not file.is_relative_to(shipped("conf"))
