"""The curves of objectives in the terminal, for `sspo show objective NAME ... --plot`."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.config.schema import ObjectiveConfig
from sspo_cli.views.braille import Canvas, framed
from sspo_cli.views.lens import SIGNS, Lens, near_one, ticks

PIPE_WIDTH, LEAST_WIDTH, MOST_WIDTH = 100, 40, 160
LETTERS = string.ascii_letters
STYLES = ("red", "bright_blue", "green", "magenta", "yellow", "cyan", "default")


def print_lens(console: Console, seen: Lens) -> None:
    width = max(LEAST_WIDTH, min(console.width if console.is_terminal else PIPE_WIDTH, MOST_WIDTH))
    ascii_only = console.options.ascii_only
    console.print(legend_table(seen, "inf" if ascii_only else "∞"))
    console.print()
    low, high = (math.log(limit) for limit in seen.gate_limits)
    top = seen.multiplier_limits[1]
    gate = Row(
        "gate value",
        [[(np.log(shown.sides[side].gate_N) - low) / (high - low) for shown in seen.shown] for side in (0, 1)],
        y_ticks(-low / (high - low), *seen.gate_limits),
    )
    multiplier = Row(
        "token multiplier",
        [[shown.sides[side].multiplier_N / top for shown in seen.shown] for side in (0, 1)],
        y_ticks(1 / top, *seen.multiplier_limits),
    )
    margin = max(len(label) for _, label in gate.ticks + multiplier.ticks)
    for row in (gate, multiplier):
        for line in side_by_side(row, seen.ratio_limits, width, margin, ascii_only):
            console.print(line, soft_wrap=True)


def left_out(configs: Mapping[str, ObjectiveConfig]) -> list[str]:
    """What these objectives have besides: neither a penalty nor a correction is a curve over this ratio."""
    extras = {
        "KL penalty": [name for name, config in configs.items() if config.kl.coef > 0],
        "entropy bonus": [name for name, config in configs.items() if config.entropy_coef > 0],
        "correction": [name for name, config in configs.items() if config.correction.level != "none"],
    }
    return [f"not drawn: the {extra} of {', '.join(names)}" for extra, names in extras.items() if names]


def legend_table(seen: Lens, endless: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "objective", "ratio r", *(f"sequence weight, {sign}" for sign in SIGNS)):
        table.add_column(title)
    for place, shown in enumerate(seen.shown):
        letter, style = mark_of(place)
        weights = [Text(between(*curves.weight, endless)) for curves in shown.sides]
        table.add_row(Text(letter, style=style), Text(", ".join(shown.names), style=style), Text(shown.ratio), *weights)
    return table


def between(low: float, high: float, endless: str) -> str:
    if low == high:
        return near_one(low)
    return f"{near_one(low)} to {endless if math.isinf(high) else near_one(high)}"


@dataclass(frozen=True)
class Row:
    """Two panels, A > 0 and A < 0: the curves of each from 0 at the bottom to 1 at the top, and the ticks there."""

    title: str
    panels: list[list[NDArray[np.float64]]]
    ticks: list[tuple[float, str]]


def y_ticks(place_of_one: float, low: float, high: float) -> list[tuple[float, str]]:
    """Both ends, and 1 where it stands clear of them."""
    between_ends = [(place_of_one, "1")] if 0.1 < place_of_one < 0.9 else []
    return [(0.0, near_one(low)), *between_ends, (1.0, near_one(high))]


def side_by_side(
    row: Row, ratio_limits: tuple[float, float], width: int, margin: int, ascii_only: bool
) -> Iterator[Text]:
    columns = width // 2 - margin - 2
    low, high = (math.log(limit) for limit in ratio_limits)
    x_ticks = [((math.log(tick) - low) / (high - low), f"{tick:g}") for tick in ticks(*ratio_limits, most=7)]
    panels = []
    for sign, curves in zip(SIGNS, row.panels, strict=True):
        canvas = Canvas(columns, max(8, min(columns // 4, 14)), ascii_only=ascii_only)
        for place, y_N in enumerate(curves):
            canvas.add_curve(np.linspace(0, 1, len(y_N)), y_N, *mark_of(place))
        canvas.put_letters(times=2)
        panels.append(framed(canvas, f"{row.title}, {sign}", x_ticks, row.ticks, margin))
    for left, right in zip(*panels, strict=True):
        left.pad_right(columns + margin + 3 - len(left))
        yield left + right


def mark_of(place: int) -> tuple[str, str]:
    """Letter and style of the objective at `place`."""
    return LETTERS[place % len(LETTERS)], STYLES[place % len(STYLES)]
