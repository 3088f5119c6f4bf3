"""Lines with bands around them and names at their ends: what all figures of a study share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from sspo_cli.statistics.intervals import FEWEST_SEEDS, LEVEL
from sspo_cli.views.canvas import LINE_POINTS
from sspo_cli.views.style import BLUE, FAINT, GREEN, INK, ORANGE, PURPLE, SKY, VERMILION

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_COLOURED = 3  # of more names than there are colours
AXES_INCHES, LETTER_INCHES = 3.9, 0.078
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """How one point or objective is drawn everywhere."""

    name: str
    colour: str
    marker: str
    labelled: bool = True


def looks(names: Sequence[str], best_first: Sequence[str]) -> dict[str, Look]:
    """A look for every name; of many names only the best have one of their own, the others are faint and come first."""
    if len(names) <= len(COLOURS):
        return coloured(names)
    shown = best_first[:MOST_COLOURED]
    faint = {name: Look(name, FAINT, "", labelled=False) for name in names if name not in shown}
    return faint | coloured(shown)


def coloured(names: Sequence[str]) -> dict[str, Look]:
    return {name: Look(name, colour, mark) for name, colour, mark in zip(names, COLOURS, MARKERS, strict=False)}


@dataclass(frozen=True)
class Line:
    """x, y and the ends of the interval of y, NaN where there is none. gid: the id of the line in the SVG."""

    look: Look
    x: Values
    y: Values
    low: Values
    high: Values
    gid: str
    dash: str = "solid"
    joined: bool = True
    marker: str = ""

    def draw(self, axes: Axes) -> None:
        width = (1.0 if self.look.colour == FAINT else 1.9) if self.joined else 0
        axes.plot(self.x, self.y, color=self.look.colour, linewidth=width, zorder=3, solid_capstyle="round",
                  linestyle=self.dash, marker=self.marker, markersize=4, gid=self.gid)  # fmt: skip

    def draw_band(self, axes: Axes) -> None:
        colour = self.look.colour
        if self.joined:
            axes.fill_between(self.x, self.low, self.high, color=colour, alpha=0.14, linewidth=0, zorder=1)
        else:
            axes.vlines(self.x, self.low, self.high, color=colour, linewidth=1.9, alpha=0.5, zorder=1)

    @property
    def end(self) -> tuple[float, float, Look]:
        return (float(self.x[-1]), float(self.y[-1]), self.look) if len(self.x) else (0.0, np.nan, self.look)


def student_interval(value_ST: Values) -> tuple[Values, Values]:
    """The 95 % interval of the mean over seeds, [T]; NaN where they are too few for one."""
    S = len(value_ST)
    if S < FEWEST_SEEDS:
        nothing = np.full(value_ST.shape[1:], np.nan)
        return nothing, nothing
    reach = float(stats.t.ppf((1 + LEVEL) / 2, S - 1)) * value_ST.std(0, ddof=1) / np.sqrt(S)
    return value_ST.mean(0) - reach, value_ST.mean(0) + reach


def within_percent(low: Values, high: Values) -> tuple[Values, Values]:
    """The ends of intervals of shares as they are drawn: none lies below 0 or above 100 %."""
    return np.clip(low, 0, 100), np.clip(high, 0, 100)


def width_for(names: Sequence[str]) -> float:
    """Inches of a figure with such names at its side."""
    return AXES_INCHES + LETTER_INCHES * max(10, *(len(name) for name in names))


def label_ends(axes: Axes, lines: Sequence[Line]) -> None:
    """A name beside the end of every line that the frame holds, moved apart where they would overlap."""
    bottom, top = axes.get_ylim()
    shown = [line.end for line in lines if line.look.labelled and bottom <= line.end[1] <= top]
    if not shown:
        return
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    height = axes.transData.transform([(x, y) for x, y, _ in shown])[:, 1]
    gap = LINE_POINTS * figure.dpi / 72
    order = np.argsort(height, kind="stable")
    placed = inside(spread(height[order], gap), axes.bbox.y0, axes.bbox.y1)
    for place, target in zip(order, placed, strict=True):
        x, y, look = shown[place]
        moved = (target - height[place]) * 72 / figure.dpi
        axes.annotate(look.name, (x, y), (8, moved), textcoords="offset points", va="center", color=look.colour,
                      fontweight="bold", annotation_clip=False)  # fmt: skip


def spread(height: np.ndarray, gap: float) -> np.ndarray:
    """Heights, in ascending order, at least `gap` apart and as near to the given ones as their clusters allow."""
    clusters = [[float(value), 1] for value in height]
    place = 0
    while place + 1 < len(clusters):
        (low, below), (high, above) = clusters[place], clusters[place + 1]
        if high - low < gap * (below + above) / 2:
            clusters[place : place + 2] = [[(low * below + high * above) / (below + above), below + above]]
            place = max(0, place - 1)
        else:
            place += 1
    return np.concatenate([float(middle) + gap * (np.arange(size) - (size - 1) / 2) for middle, size in clusters])


def inside(height: np.ndarray, bottom: float, top: float) -> np.ndarray:
    """Ascending heights, those beyond the frame pushed in as far as their neighbours at that edge go along."""
    lowered = height - max(0.0, float(height[-1]) - top)
    return np.asarray(lowered + max(0.0, bottom - float(lowered[0])))
