"""What `sspo inspect` measured, drawn: gradient cosines as heat maps, and what sets the objectives apart as bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from sspo_cli.views.canvas import new_figure, save
from sspo_cli.views.style import BLUE, GREEN, GREY, GRID, INK, ORANGE, PURPLE, SMALL, STYLE, VERMILION

CELL_INCHES, LINE_INCHES = 0.36, 0.24
SMALLEST_WEIGHT = 1e-3


def plot_inspection(folder: Path, result: Mapping[str, Any]) -> list[Path]:
    """Draw the content of inspect.json into folder/plots/cosine.svg and folder/plots/gradients.svg.

    Returns:
        The files written.
    """
    names = list(result["off_policy"]["objectives"])
    order = similarity_order(np.array(result["off_policy"]["cosine"], dtype=float))
    with matplotlib.rc_context(STYLE):
        drawn = {
            "cosine": draw_cosines(result, [names[i] for i in order], order),
            "gradients": draw_bars(result, [names[i] for i in order]),
        }
    return [save(figure, folder / "plots" / f"{name}.svg", f"sspo inspect: {name}") for name, figure in drawn.items()]


def similarity_order(cosine: NDArray[np.float64]) -> list[int]:
    """Places that put alike objectives side by side: by angle in the plane of the two leading eigenvectors."""
    known = np.nan_to_num(cosine)
    _, vectors = np.linalg.eigh((known + known.T) / 2)
    if len(known) < 3:
        return list(range(len(known)))
    first, second = vectors[:, -1], vectors[:, -2]
    angle = np.arctan2(second * np.sign(first.sum() or 1), first * np.sign(first.sum() or 1))
    # Rounded, so that objectives with one gradient keep their order whatever the last digit says.
    return [int(i) for i in np.argsort(np.round(angle, 6), kind="stable")]


def draw_cosines(result: Mapping[str, Any], names: Sequence[str], order: Sequence[int]) -> Figure:
    """The matrix at r = 1 beside the matrix after the policy has moved."""
    side = CELL_INCHES * len(names)
    figure = new_figure(2 * side + 2.6, side + 1.5)
    updates = result["updates"]
    titles = ("on_policy", "At r = 1: normaliser and advantage"), ("off_policy", f"After {updates} updates")
    for place, (key, title) in enumerate(titles, start=1):
        axes = figure.add_subplot(1, 2, place)
        cosine = np.array(result[key]["cosine"], dtype=float)[np.ix_(order, order)]
        image = axes.imshow(cosine, cmap="RdBu", vmin=-1, vmax=1)
        for row, column in np.ndindex(*cosine.shape):
            value = float(cosine[row, column])
            axes.text(column, row, short(value), ha="center", va="center", fontsize=SMALL - 0.5,
                      color="white" if abs(value) > 0.7 else INK)  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", color=INK)
        axes.set_yticks(range(len(names)), names, color=INK)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(title, loc="left", fontweight="bold", fontsize=10, color=INK)
    figure.colorbar(image, ax=figure.axes, label="cosine of the gradients", shrink=0.6, aspect=30).outline.set_visible(
        False
    )
    return figure


def short(value: float) -> str:
    """Two decimals without the zero in front."""
    return f"{value:z.2f}".replace("0.", ".", 1) if np.isfinite(value) else ""


def draw_bars(result: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """Norm, signal-to-noise, effective ratio and silenced tokens as bars; the sequence weights as histograms."""
    found = result["off_policy"]["objectives"]
    at_one = result["on_policy"]["objectives"]
    figure = new_figure(13, LINE_INCHES * len(names) + 1.2)
    grid = figure.add_gridspec(1, 5, width_ratios=[1, 1, 1, 1, 1.6])
    panels = (
        ("norm", "Gradient norm", "over its norm at r = 1", BLUE),
        ("snr", "Signal to noise", "of one batch's gradient", VERMILION),
        ("effective_ratio", "Effective update ratio", "mean token multiplier", GREEN),
        ("silenced", "Tokens silenced", "share with an advantage", PURPLE),
    )
    for place, (key, title, unit, colour) in enumerate(panels):
        axes = figure.add_subplot(grid[0, place])
        # Without a gradient at r = 1 there is nothing to compare with.
        values = [
            number(found[name][key]) / (number(at_one[name][key]) or math.nan if key == "norm" else 1) for name in names
        ]
        axes.barh(range(len(names)), np.nan_to_num(values), color=colour, height=0.66)
        right = max([*np.nan_to_num(values), 1e-9])
        for row, value in enumerate(values):
            axes.annotate(f"{value:.2f}", (max(0.0, value), row), (3, 0), textcoords="offset points", va="center",
                          fontsize=SMALL, color=INK)  # fmt: skip
        axes.set_xlim(0, right * 1.25)
        dress(axes, names if place == 0 else [], len(names), title, unit)
    axes = figure.add_subplot(grid[0, 4])
    draw_weights(axes, [found[name]["weight"] for name in names])
    dress(axes, [], len(names), "Sequence weights", "log scale; bold: median")
    return figure


def draw_weights(axes: Axes, weights: Sequence[Mapping[str, Any]]) -> None:
    """A histogram for each objective on a common logarithmic scale, cut where 99 % of all of them lie."""
    for row, weight in enumerate(weights):
        counts = np.array(weight["counts"], dtype=float)
        edges = np.geomspace(weight["low"], weight["high"], len(counts) + 1)
        heights = np.append(counts, counts[-1]) / max(counts.max(), 1) * 0.8
        axes.fill_between(edges, row + 0.4, row + 0.4 - heights, step="post", color=ORANGE, linewidth=0)
        axes.plot([weight["q50"]] * 2, [row - 0.4, row + 0.4], color=INK, linewidth=1.4)
    left, right = min(weight["q01"] for weight in weights) * 0.8, max(weight["q99"] for weight in weights) * 1.25
    axes.set_xscale("log")
    axes.set_xlim(max(left, SMALLEST_WEIGHT), right)
    # Powers of two, or of ten once there would be too many of them to tell apart.
    base = 2 if right / max(left, SMALLEST_WEIGHT) < 2**8 else 10
    axes.xaxis.set_major_locator(LogLocator(base=base, numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axvline(1, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)


def number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def dress(axes: Axes, names: Sequence[str], rows: int, title: str, unit: str) -> None:
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, color=INK)
    if not names:
        axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10, color=INK)
    axes.set_xlabel(unit)
