"""What all figures of a grid share: a look for every point, labels that do not collide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sspo_cli.analysis.grid.cells import Grid, Point, point_name
from sspo_cli.views.style import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
)

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_COLOURED = 3  # of more points than there are colours
AXES_INCHES, LETTER_INCHES, LINE_POINTS = 3.9, 0.078, 11


@dataclass(frozen=True)
class Look:
    """How one point is drawn everywhere."""

    name: str
    colour: str
    marker: str
    labelled: bool = True


def looks(grid: Grid, best_first: Sequence[Point]) -> list[tuple[Point, Look]]:
    """Every point with a look of its own; of many points only the best have one, the others are faint."""
    if len(grid.points) <= len(COLOURS):
        styles = zip(grid.points, COLOURS, MARKERS, strict=False)
        return [(point, Look(point_name(point, grid.varied), colour, mark)) for point, colour, mark in styles]
    named = zip(best_first[:MOST_COLOURED], COLOURS, MARKERS, strict=False)
    shown = [(point, Look(point_name(point, grid.varied), colour, mark)) for point, colour, mark in named]
    others = [point for point in grid.points if point not in best_first[:MOST_COLOURED]]
    faint = [(point, Look(point_name(point, grid.varied), FAINT, "", labelled=False)) for point in others]
    return faint + shown


def width_for(names: Sequence[str]) -> float:
    """Inches of a figure with such names at its side."""
    return AXES_INCHES + LETTER_INCHES * max(10, *(len(name) for name in names))


def label_ends(axes: Axes, ends: Sequence[tuple[float, float, Look]]) -> None:
    """A name beside the end of every line that the frame holds, moved apart where they would overlap.

    ends: x, y, look.
    """
    bottom, top = axes.get_ylim()
    shown = [end for end in ends if end[2].labelled and bottom <= end[1] <= top]
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
