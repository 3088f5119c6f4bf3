"""Objectives side by side as one figure: gate value, token multiplier and range of the sequence weight."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from sspo_cli.views.style import (
    BLUE,
    GREEN,
    GREY,
    GRID,
    INK,
    ORANGE,
    PURPLE,
    ROUND_STEPS,
    SKY,
    SMALL,
    STYLE,
    VERMILION,
)

COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY, INK)
DASHES = ("-", (0, (4, 1.4)), (0, (1.2, 1.2)))
STRIPE = 4.0  # in widths of the line
TALLEST_MULTIPLIER = 2.0
WIDTH_INCHES, PANEL_INCHES, BAR_INCHES = 5.6, 1.6, 0.175
HANDLE, GAP = 2.4, 1.4  # of the legend, in em
SIGNS = ("A > 0", "A < 0")


@dataclass(frozen=True)
class Curves:
    """One objective for one sign of A: gate_N and multiplier_N at the ratios of the picture, and the weight's range.

    weight: 0 and infinity where nothing bounds it.
    """

    gate_N: NDArray[np.float64]
    multiplier_N: NDArray[np.float64]
    weight: tuple[float, float]

    def same_as(self, other: Curves) -> bool:
        return bool(
            np.allclose(self.gate_N, other.gate_N, rtol=1e-9)
            and np.allclose(self.multiplier_N, other.multiplier_N, rtol=1e-9)
            and np.allclose(self.weight, other.weight, rtol=1e-9)
        )


@dataclass(frozen=True)
class Shown:
    """What is drawn in one colour: an objective, or several that nothing here tells apart.

    ratio: what r is the ratio of: "token", "sequence" or "product". sides: `Curves` for A > 0 and for A < 0.
    """

    names: tuple[str, ...]
    ratio: str
    sides: tuple[Curves, Curves]

    @property
    def label(self) -> str:
        kind = "" if self.ratio == "token" else f" ({self.ratio} ratio)"
        return ", ".join(self.names) + kind


@dataclass(frozen=True)
class Lens:
    """log_ratio_N is symmetric about 0, which stands in its middle."""

    log_ratio_N: NDArray[np.float64]
    shown: tuple[Shown, ...]

    @property
    def ratio_limits(self) -> tuple[float, float]:
        return math.exp(self.log_ratio_N[0]), math.exp(self.log_ratio_N[-1])

    @property
    def gate_limits(self) -> tuple[float, float]:
        """All of every curve that does not leave f(1) by more than r leaves 1."""
        smallest, largest = self.ratio_limits
        lows, highs = [], []
        for curves in self.curves():
            at_one = curves.gate_N[len(curves.gate_N) // 2]
            lows.append(max(curves.gate_N.min(), at_one * smallest))
            highs.append(min(curves.gate_N.max(), at_one * largest))
        low, high = float(min(lows)), float(max(highs))
        return (low, high) if high > low else (smallest, largest)

    @property
    def multiplier_limits(self) -> tuple[float, float]:
        """From 0. An objective that grows with r leaves the picture at the top where another does not."""
        highest = [max(float(curves.multiplier_N.max()) for curves in shown.sides) for shown in self.shown]
        top = max(highest)
        return 0.0, top if min(highest) > TALLEST_MULTIPLIER else min(top, TALLEST_MULTIPLIER)

    def curves(self) -> Iterator[Curves]:
        for shown in self.shown:
            yield from shown.sides


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


def merged(shown: Sequence[Shown]) -> tuple[Shown, ...]:
    """Those with the same ratio and the same curves as one."""
    found: list[Shown] = []
    for new in shown:
        for place, old in enumerate(found):
            alike = all(mine.same_as(other) for mine, other in zip(old.sides, new.sides, strict=True))
            if old.ratio == new.ratio and alike:
                found[place] = Shown(old.names + new.names, old.ratio, old.sides)
                break
        else:
            found.append(new)
    return tuple(found)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values from `low` to `high` for a logarithmic axis: powers of two, or even steps on a short one."""
    if high / low < 4:
        bins = most - 2 if high / low > 1.5 else 4  # the closer to 1, the longer the numbers
        steps = MaxNLocator(nbins=bins, steps=ROUND_STEPS).tick_values(low, high)
        return [float(round(value, 12)) for value in steps if low <= value <= high]
    first, last = math.ceil(math.log2(low)), math.floor(math.log2(high))
    stride = math.ceil((last - first + 1) / most)
    return [2.0**power for power in range(first, last + 1) if power % stride == 0]


def svg(lens: Lens) -> bytes:
    """The figure as an SVG file: the same curves give the same bytes."""
    with matplotlib.rc_context(STYLE | {"path.simplify": True}):
        figure = lens_figure(lens)
        file = BytesIO()
        names = ", ".join(shown.label for shown in lens.shown)
        figure.savefig(file, format="svg", metadata={"Date": None, "Title": f"Objectives: {names}"})
    return file.getvalue()


def lens_figure(lens: Lens) -> Figure:
    columns = legend_columns([shown.label for shown in lens.shown])
    legend = 0.1 + 0.165 * math.ceil(len(lens.shown) / columns)
    curves, bars = legend + 2 * PANEL_INCHES + 0.6, 0.55 + BAR_INCHES * len(lens.shown)
    figure = Figure(
        figsize=(WIDTH_INCHES, curves + bars),
        layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04, wspace=0.03, hspace=0.03),
        facecolor="white",
    )
    FigureCanvasSVG(figure)
    above, below = cast(Sequence[SubFigure], figure.subfigures(2, 1, height_ratios=[curves, bars]))
    draw_curves(above, lens)
    handles = [Line2D([], [], label=shown.label, **pen(place)) for place, shown in enumerate(lens.shown)]
    above.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, fontsize=8,
                 handlelength=HANDLE, columnspacing=GAP, handletextpad=0.5, borderpad=0)  # fmt: skip
    draw_weights(below, lens)
    return figure


def legend_columns(labels: Sequence[str]) -> int:
    """As many columns as the figure has room for, each as wide as its longest label."""
    room = WIDTH_INCHES * 72 / 8  # in em of the legend
    for columns in range(len(labels), 1, -1):
        rows = math.ceil(len(labels) / columns)
        longest = [max(map(len, labels[start : start + rows])) for start in range(0, len(labels), rows)]
        if sum(0.6 * length + HANDLE + GAP for length in longest) <= room:
            return columns
    return 1


def pen(place: int) -> dict[str, Any]:
    """Colour and dashes of the objective at `place`."""
    dashes = DASHES[place // len(COLOURS) % len(DASHES)]
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": dashes, "linewidth": 1.7}


def draw_curves(figure: SubFigure, lens: Lens) -> None:
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    ratio_N = np.exp(lens.log_ratio_N)
    low, high = lens.gate_limits
    air = (high / low) ** 0.04
    for column, sign in enumerate(SIGNS):
        gate, multiplier = grid[0, column], grid[1, column]
        gate.set_title(sign, fontsize=10, fontweight="bold")
        for axes in (gate, multiplier):
            dress(axes)
            axes.axvline(1, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        draw_lines(gate, ratio_N, np.stack([shown.sides[column].gate_N for shown in lens.shown]))
        draw_lines(multiplier, ratio_N, np.stack([shown.sides[column].multiplier_N for shown in lens.shown]))
        log_axis(gate, "x", *lens.ratio_limits, most=7)
        log_axis(gate, "y", low / air, high * air, most=7)
        top = lens.multiplier_limits[1]
        multiplier.set_ylim(-0.03 * top, 1.04 * top)
        multiplier.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=ROUND_STEPS))
        multiplier.set_xlabel("ratio r")
    grid[0, 0].set_ylabel("gate value f(r)")
    grid[1, 0].set_ylabel("token multiplier")


def dress(axes: Axes) -> None:
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=3, width=0.8)


def log_axis(axes: Axes, name: str, low: float, high: float, most: int) -> None:
    """A logarithmic axis from `low` to `high` with plain numbers at its ticks."""
    getattr(axes, f"set_{name}scale")("log")
    getattr(axes, f"set_{name}lim")(low, high)
    axis = getattr(axes, f"{name}axis")
    places = ticks(low, high, most)
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def draw_lines(axes: Axes, ratio_N: NDArray[np.float64], value_CN: NDArray[np.float64]) -> None:
    """A line for every curve; where some run along each other, stripes of all their colours."""
    for place, start, stop, along in stretches(value_CN):
        line = pen(place) | {"zorder": 3}
        if len(along) > 1:
            gap = STRIPE * (len(along) - 1)
            line |= {"linestyle": (-STRIPE * along.index(place), (STRIPE, gap)), "dash_capstyle": "butt"}
        axes.plot(ratio_N[start : stop + 1], value_CN[place, start : stop + 1], **line)


def stretches(value_CN: NDArray[np.float64]) -> Iterator[tuple[int, int, int, list[int]]]:
    """Each curve cut where its company changes: (curve, first point, last point, the curves along that stretch)."""
    for curve, value_N in enumerate(value_CN):
        same_CN = np.isclose(value_CN, value_N, rtol=1e-9, atol=1e-12)
        along_CN = same_CN[:, 1:] & same_CN[:, :-1]
        changes = 1 + np.flatnonzero((along_CN[:, 1:] != along_CN[:, :-1]).any(axis=0))
        for start, stop in itertools.pairwise([0, *changes.tolist(), len(value_N) - 1]):
            yield curve, start, stop, np.flatnonzero(along_CN[:, start]).tolist()


def draw_weights(figure: SubFigure, lens: Lens) -> None:
    """A bar from the least to the greatest sequence weight; an arrow where nothing bounds it."""
    grid = figure.subplots(1, 2, sharex=True, sharey=True)
    ends = [max(end, 1 / end) for curves in lens.curves() for end in curves.weight if 0 < end < math.inf]
    reach = max(ends, default=1.0) ** 1.7
    reach = reach if reach > 1 else 2.0
    for column, (sign, axes) in enumerate(zip(SIGNS, grid, strict=True)):
        dress(axes)
        axes.grid(visible=False, axis="y")
        axes.axvline(1, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        log_axis(axes, "x", 1 / reach, reach, most=5)
        axes.set_xlabel(f"sequence weight w, {sign}")
        axes.spines["left"].set_visible(False)
        axes.set_yticks(range(len(lens.shown)), [shown.label for shown in lens.shown])
        axes.set_ylim(len(lens.shown) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0, pad=8, labelcolor=INK, labelsize=8)
        for place, shown in enumerate(lens.shown):
            draw_weight(axes, place, shown.sides[column].weight, reach)


def draw_weight(axes: Axes, place: int, weight: tuple[float, float], reach: float) -> None:
    colour = COLOURS[place % len(COLOURS)]
    low, high = max(weight[0], 1 / reach), min(weight[1], reach)
    axes.plot([low, high], [place, place], color=colour, linewidth=4, solid_capstyle="butt", zorder=3)
    if low == high:
        axes.plot([low], [place], marker="D", color=colour, markersize=4.5, zorder=3)
    for end, at, marker, away in ((weight[0], low, "<", -1), (weight[1], high, ">", 1)):
        if end in (0, math.inf):
            axes.plot([at], [place], marker=marker, color=colour, markersize=6, clip_on=False, zorder=3)
        elif low < high or away > 0:
            axes.annotate(near_one(end), (at, place), (4 * away, 0), textcoords="offset points", fontsize=SMALL,
                          ha="right" if away < 0 else "left", va="center_baseline", color=GREY, zorder=2,
                          bbox={"boxstyle": "square,pad=0.08", "facecolor": "white", "linewidth": 0})  # fmt: skip


def near_one(value: float) -> str:
    """Three digits, or as many as tell `value` from 1."""
    return next(text for digits in range(3, 18) if float(text := f"{value:.{digits}g}") != 1 or value == 1)
