"""The screens of `sspo show`: groups with their choices, choices in full, and metrics."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.config.catalogue import Choice, Setting
from sspo_cli.config.wording import show_value
from sspo_cli.metrics import Metric
from sspo_cli.views.console import results

FILE_WIDTH = 120
LONG_NUMBER = 10  # characters


def print_groups(listing: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Every group with its choices, as `catalogue.choices_of` tells them."""
    console = results()
    for group, choices in listing.items():
        console.print(Text(group, style="bold"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
        for name, choice in choices.items():
            mark = Text(" (yours)", style="green") if choice["yours"] else Text()
            table.add_row(Text("  " + name, style="cyan") + mark, Text(choice["about"]))
        console.print(table)
        console.print()
    first = next(iter(listing))
    console.print(Text(f"One choice: sspo show {first} {next(iter(listing[first]))}", style="dim"))
    if len(listing) > 1:
        console.print(Text("Settings outside groups: sspo show train; one of any: sspo show optim.lr", style="dim"))


def print_choices(choices: Sequence[Choice], overrides: Sequence[str]) -> None:
    """One choice after the other."""
    console = results()
    for place, choice in enumerate(choices):
        if place:
            console.print()
        print_choice(console, choice, overrides)


def print_choice(console: Console, choice: Choice, overrides: Sequence[str]) -> None:
    title = Text(" ".join([f"{choice.group}={choice.name}", *overrides]), style="bold")
    if choice.yours:
        title += Text(f"  yours: {choice.yours.relative_to(Path.cwd())}", style="green")
    console.print(title)
    console.print()
    console.print(Text(unwrapped(choice.about)))
    for variant, about in choice.variants.items():
        console.print(Text(f"Here with {variant}: {about}"))
    if choice.settings:
        console.print()
        print_settings(console, choice.settings)


def print_settings(console: Console, settings: Sequence[Setting]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value")
    table.add_column("source")
    for row in settings:
        table.add_row(Text(row.key, style="cyan"), Text(written_setting(row.value)), Text(row.source))
    table.columns[-1].header = "source" if any(row.source for row in settings) else ""
    console.print(table)


def unwrapped(text: str) -> str:
    """Lines that the file breaks only because they are full, joined again: a narrow terminal breaks them elsewhere."""
    lines = text.split("\n")
    joined = lines[0]
    for before, line in itertools.pairwise(lines):
        is_full = len(f"# {before} {line.partition(' ')[0]}") > FILE_WIDTH
        joined += (" " if is_full and line else "\n") + line
    return joined


def written_setting(value: Any) -> str:
    if value == "???":
        return "(you must set it)"
    if isinstance(value, float) and len(str(value)) > LONG_NUMBER:
        return f"{value:.6g}"
    return json.dumps(value) if isinstance(value, str) and "\n" in value else show_value(value)


def print_metrics(shown: Sequence[Metric]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("metric", "unit", "better", "meaning"):
        table.add_column(title, no_wrap=title == "metric")
    for item in shown:
        table.add_row(Text(item.name, style="cyan"), Text(item.unit), item.better or "", Text(item.meaning))
    results().print(table)
