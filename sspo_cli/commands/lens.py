"""`sspo show objective NAME ... --plot`: gates, multipliers and weights, in the terminal and as SVG."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sspo_cli.build import build_objective
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import ObjectiveConfig
from sspo_cli.objectives import lens
from sspo_cli.runs.folder import numbered
from sspo_cli.views.braille import Canvas, framed
from sspo_cli.views.console import print_json, results
from sspo_cli.views.lens import SIGNS, Curves, Lens, Shown, merged, near_one, svg, ticks

FOLDER = Path("outputs/show")
PIPE_WIDTH, LEAST_WIDTH, MOST_WIDTH = 100, 40, 160
LETTERS = string.ascii_letters
STYLES = ("red", "bright_blue", "green", "magenta", "yellow", "cyan", "default")
RATIOS = {"token": "token", "sequence": "sequence", "sequence_token": "sequence", "product": "product"}


def run(configs: dict[str, ObjectiveConfig], stem: str, out: Path | None, *, as_json: bool) -> int:
    """Draw the named objectives on common axes.

    stem: of the figure's file name where `out` gives none.

    Raises:
        ConfigError: if a calibration has no solution, or if the SVG cannot be written.
    """
    seen = look(configs)
    if as_json:
        print_json(as_data(seen))
        return 0
    seen = Lens(seen.log_ratio_N, merged(seen.shown))
    path = write(svg(seen), stem, out)
    console = results()
    print_lens(console, seen)
    for line in left_out(configs):
        console.print(Text(line, style="dim"))
    console.print(Text(str(path)), soft_wrap=True)
    return 0


def look(configs: dict[str, ObjectiveConfig]) -> Lens:
    objectives = {name: build_objective(config) for name, config in configs.items()}
    log_ratio_N = lens.shared_log_ratios(list(objectives.values()))
    shown = []
    for name, objective in objectives.items():
        pair = [lens.curves(objective, log_ratio_N, sign) for sign in (1, -1)]
        positive, negative = (Curves(side.gate_N.numpy(), side.multiplier_N.numpy(), side.weight) for side in pair)
        shown.append(Shown((name,), RATIOS[objective.ratio], (positive, negative)))
    return Lens(log_ratio_N.numpy(), tuple(shown))


def as_data(seen: Lens) -> dict[str, Any]:
    """Every objective by itself; null where nothing bounds the weight."""
    objectives = {}
    for shown in seen.shown:
        sides = {
            word: {
                "gate": curves.gate_N.tolist(),
                "multiplier": curves.multiplier_N.tolist(),
                "weight": [None if math.isinf(end) else end for end in curves.weight],
            }
            for word, curves in zip(("positive", "negative"), shown.sides, strict=True)
        }
        objectives[shown.names[0]] = {"ratio_of": shown.ratio, **sides}
    return {"ratio": np.exp(seen.log_ratio_N).tolist(), "objectives": objectives}


def write(content: bytes, stem: str, out: Path | None) -> Path:
    """Where the figure lies: `out`, or outputs/show/<stem>.svg with the first free number.

    A file is never overwritten; one that holds this very figure is good as it is.

    Raises:
        ConfigError: if `out` holds something else, or cannot be written.
    """
    number, path = 1, out or FOLDER / f"{stem}.svg"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while path.exists() and path.read_bytes() != content:
            if out:
                raise ConfigError([f"--out {out}: exists and is never overwritten; choose another name"])
            number += 1
            path = FOLDER / f"{numbered(stem, number)}.svg"
        path.write_bytes(content)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be written: {error.strerror}; name another file with --out"]) from error
    return path


def left_out(configs: dict[str, ObjectiveConfig]) -> list[str]:
    """What these objectives have besides: neither a penalty nor a correction is a curve over this ratio."""
    extras = {
        "KL penalty": [name for name, config in configs.items() if config.kl.coef > 0],
        "entropy bonus": [name for name, config in configs.items() if config.entropy_coef > 0],
        "correction": [name for name, config in configs.items() if config.correction.level != "none"],
    }
    return [f"not drawn: the {extra} of {', '.join(names)}" for extra, names in extras.items() if names]


def print_lens(console: Console, seen: Lens) -> None:
    width = max(LEAST_WIDTH, min(console.width if console.is_terminal else PIPE_WIDTH, MOST_WIDTH))
    ascii_only = console.options.ascii_only
    console.print(legend(seen, "inf" if ascii_only else "∞"))
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


def legend(seen: Lens, endless: str) -> Table:
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
            canvas.draw(np.linspace(0, 1, len(y_N)), y_N, *mark_of(place))
        canvas.put_letters(times=2)
        panels.append(framed(canvas, f"{row.title}, {sign}", x_ticks, row.ticks, margin))
    for left, right in zip(*panels, strict=True):
        left.pad_right(columns + margin + 3 - len(left))
        yield left + right


def mark_of(place: int) -> tuple[str, str]:
    """Letter and style of the objective at `place`."""
    return LETTERS[place % len(LETTERS)], STYLES[place % len(STYLES)]
