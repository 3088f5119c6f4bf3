"""What `sspo inspect` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sspo_cli.plural import count
from sspo_cli.views.console import print_commands, results
from sspo_cli.views.microscope import short, similarity_order

TITLES = (
    "gradient norm\nover on-policy",
    "signal\nto noise",
    "effective\nupdate ratio",
    "tokens\nsilenced",
    "sequence weight,\nmean",
    "\nspread",
)
LEGEND = (
    "Gradient norm: of the mean gradient, over its norm before the updates. Signal to noise: squared norm of the"
    " expected gradient over the variance of one batch's. Effective update ratio: mean over tokens of the gradient's"
    " factor, 1 on-policy. Tokens silenced: with a factor below 0.01. Spread: standard deviation."
)


def print_inspection(folder: Path, plots: Sequence[Path], result: Mapping[str, Any]) -> None:
    """Every objective's figures, the matrix of cosines, and where the rest is."""
    console = results()
    found, ratio = result["off_policy"]["objectives"], result["off_policy"]["ratio"]
    names = list(found)
    order = similarity_order(np.array(result["off_policy"]["cosine"], dtype=float))
    drawn = f"{count(result['responses'], 'response')} in {count(result['batches'], 'batch', 'batches')}"
    moved = f"{count(result['updates'], 'update')} of {result['moved_by']} at lr {result['lr']:g}"
    console.print(Text(f"{drawn}, the same for every objective; the policy moved by {moved}"))
    console.print(
        Text(f"token ratio: median {ratio['q50']:.3f}, 1 % to 99 % from {ratio['q01']:.3f} to {ratio['q99']:.3f}")
    )
    print_figures(console, result, [names[i] for i in order])
    console.print(Text(LEGEND, style="dim"))
    console.print()
    console.print(Text("cosine of the gradients, after the updates", style="bold"))
    print_cosines(console, np.array(result["off_policy"]["cosine"], dtype=float)[np.ix_(order, order)],
                  [names[i] for i in order])  # fmt: skip
    for file in (folder / "inspect.json", *plots):
        console.print(Text(str(file)), soft_wrap=True)
    print_commands(console, [f"sspo compare objective={','.join(names)} seed=0,1,2", f"sspo show objective {names[0]}"])


def print_figures(console: Console, result: Mapping[str, Any], names: Sequence[str]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("objective", no_wrap=True)
    for title in TITLES:
        table.add_column(title, justify="right")
    for name in names:
        own, at_one = result["off_policy"]["objectives"][name], result["on_policy"]["objectives"][name]
        table.add_row(
            Text(name, style="cyan"),
            f"{own['norm'] / at_one['norm']:.2f}" if at_one["norm"] else "-",
            "-" if own["snr"] is None else f"{own['snr']:.2f}",
            f"{own['effective_ratio']:.3f}",
            f"{own['silenced']:.1%}",
            f"{own['weight']['mean']:.3f}",
            f"{own['weight']['std']:.3f}",
        )
    console.print(table)


def print_cosines(console: Console, cosine: Any, names: Sequence[str]) -> None:
    """The matrix with its columns numbered, cells coloured by value: blue alike, red opposed."""
    table = Table(box=None, padding=0, pad_edge=False)
    table.add_column("", no_wrap=True)
    for number in range(1, len(names) + 1):
        table.add_column(f"{number} ", justify="right")
    for number, (name, row) in enumerate(zip(names, cosine, strict=True), start=1):
        cells = [Text(f"{short(value):>5} ", style=shade(value)) for value in row]
        table.add_row(Text(f"{number:>2} {name} ", style="cyan"), *cells)
    console.print(table)


def shade(cosine: float) -> Style:
    if not np.isfinite(cosine):
        return Style()
    strength = round(255 * (1 - min(1.0, abs(cosine)) * 0.75))
    colour = (strength, strength, 255) if cosine >= 0 else (255, strength, strength)
    return Style.parse(f"black on rgb({colour[0]},{colour[1]},{colour[2]})")
