"""The profile of a step as tables: phases, and the ops with the longest self time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.runs.folder import profile_files
from sspo_cli.views.console import results

OPS_SHOWN = 12
FILE_WIDTH = 120
COLUMNS = {"compute": "compute", "copies": "copies", "python": "Python", "gpu": "GPU busy"}


def print_profile(profile: Mapping[str, Any], folder: Path) -> None:
    """Print the phases, the first ops, and where the rest is. profile: what the engine's `summarise` returns."""
    console = results()
    console.print()
    print_tables(console, profile, OPS_SHOWN)
    tables, trace = profile_files(folder, profile["step"])
    console.print(Text(f"every op: {tables}"), soft_wrap=True)
    console.print(Text(f"trace, for chrome://tracing or ui.perfetto.dev: {trace}"), soft_wrap=True)


def write_tables(file: Path, profile: Mapping[str, Any]) -> None:
    """The same tables with every op, as text."""
    with file.open("w", encoding="utf-8") as stream:
        print_tables(Console(file=stream, width=FILE_WIDTH, color_system=None), profile, len(profile["ops"]))


def print_tables(console: Console, profile: Mapping[str, Any], ops: int) -> None:
    phases = profile["phases"]
    whole = phases["step"]["seconds"]
    console.print(Text(f"profile of step {profile['step']}: {whole:.3g} s, slowed a little by being watched"))
    console.print()
    console.print(phase_table(phases))
    console.print()
    console.print(op_table(profile["ops"][:ops], [name for name in phases if name != "step"], whole))
    console.print()


def phase_table(phases: Mapping[str, Mapping[str, float]]) -> Table:
    """Wall time of every phase, and what it went to: ops that compute, ops that copy, no op at all."""
    shares = {key: title for key, title in COLUMNS.items() if key in phases["step"]}
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("phase")
    for title in ("seconds", "of step", *shares.values()):
        table.add_column(title, justify="right")
    for name, phase in phases.items():
        cells = [f"{phase['seconds']:.3f}", f"{phase['seconds'] / phases['step']['seconds']:.0%}"]
        cells += [f"{phase[key]:.0%}" for key in shares]
        table.add_row(name, *cells, style="bold" if name == "step" else "")
    return table


def op_table(ops: list[Mapping[str, Any]], phases: list[str], whole: float) -> Table:
    """Self time of ops in seconds, all in all and by phase."""
    shown = [name for name in phases if any(row["by_phase"].get(name, 0) >= whole / 1000 for row in ops)]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("op, by self time")
    for title in ("calls", "seconds", "of step", *shown):
        table.add_column(title, justify="right", no_wrap=True)
    for row in ops:
        by_phase = (row["by_phase"].get(name, 0.0) for name in shown)
        table.add_row(
            # The one cell that gives way where the screen is narrow.
            Text(row["op"].removeprefix("aten::"), no_wrap=True, overflow="ellipsis"),
            f"{row['calls']:,}",
            f"{row['seconds']:.3f}",
            f"{row['seconds'] / whole:.1%}",
            *(f"{seconds:.3f}" for seconds in by_phase),
        )
    return table
