"""Curves over the steps: for every point a bold mean over seeds, in a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from scipy import stats

from sspo_cli.analysis.grid.cells import Cell, Grid, Point
from sspo_cli.analysis.grid.curves import Values, curve
from sspo_cli.analysis.grid.figures.drawing import Look, label_ends, looks, width_for
from sspo_cli.analysis.grid.metric import is_share
from sspo_cli.metrics import metric
from sspo_cli.statistics.intervals import FEWEST_SEEDS, LEVEL
from sspo_cli.views.canvas import draw_reference, dress, new_figure, round_steps, round_values, save
from sspo_cli.views.plots import MANY_POINTS, running_mean
from sspo_cli.views.style import STYLE

HEIGHT_INCHES = 2.9
FEW_POINTS = 20
MOST_DECADES = 4  # of a logarithmic scale: a weight variance below is rounding


@dataclass(frozen=True)
class Quantity:
    """One figure of curves: the metric `key`, squared if asked for.

    Its band is the 95 % interval of the mean over seeds, with every seed as a thin line, if `inferred`; else it holds
    all seeds.
    """

    name: str
    title: str
    unit: str
    key: str
    squared: bool = False
    logarithmic: bool = False
    inferred: bool = False
    reference: tuple[float, str] | None = None


def of_metric(name: str, key: str, reference: tuple[float, str] | None = None, *, inferred: bool = False) -> Quantity:
    return Quantity(name, metric(key).title, metric(key).unit, key, reference=reference, inferred=inferred)


DYNAMICS = (
    of_metric("reward", "reward/mean"),
    of_metric("entropy", "policy/entropy"),
    of_metric("effective_ratio", "update/effective_ratio", (1.0, "on-policy")),
    Quantity(
        "weight_variance",
        "Variance of sequence weights",
        "within an update",
        "weight/std",
        squared=True,
        logarithmic=True,
    ),
    of_metric("response_length", "response/length"),
    of_metric("gradient_norm", "grad/norm"),
)


def learning_curve(key: str) -> Quantity:
    return of_metric("learning_curve", key, inferred=True)


def plot_curves(grid: Grid, best_first: Sequence[Point]) -> list[Path]:
    """plots/learning_curve.svg and one file for each of DYNAMICS that the runs have."""
    written = []
    for quantity in (learning_curve(grid.metric), *(item for item in DYNAMICS if item.key != grid.metric)):
        shown = [item for item in looks(grid, best_first) if any(has(cell, quantity) for cell in grid.at(item[0]))]
        if not shown:
            continue
        with matplotlib.rc_context(STYLE):
            figure = new_figure(width_for([look.name for _, look in shown if look.labelled]), HEIGHT_INCHES)
            axes = figure.add_subplot()
            draw(axes, grid, quantity, shown)
        written.append(save(figure, grid.folder / "plots" / f"{quantity.name}.svg", quantity.title))
    return written


def has(cell: Cell, quantity: Quantity) -> bool:
    return len(curve(cell.metrics, quantity.key)[0]) > 0


def draw(axes: Axes, grid: Grid, quantity: Quantity, shown: Sequence[tuple[Point, Look]]) -> None:
    runs = {look: [values(cell, quantity) for cell in grid.done(point) if has(cell, quantity)] for point, look in shown}
    ends = [draw_runs(axes, of_look, look, quantity) for look, of_look in runs.items() if of_look]
    for point, look in shown:
        for cell in grid.at(point):
            if not cell.counts and has(cell, quantity):
                draw_stopped(axes, *values(cell, quantity), look)
    round_steps(axes)
    if quantity.logarithmic:
        axes.set_yscale("log")
    else:
        round_values(axes)
    # A wide band of few seeds would flatten the curves: it is cut at the frame that the curves themselves need.
    frame = axes.get_ylim()
    for look, of_look in runs.items():
        if look.labelled and of_look:
            draw_band(axes, of_look, look, quantity)
    axes.set_ylim(max(frame[0], frame[1] / 10**MOST_DECADES) if quantity.logarithmic else frame[0], frame[1])
    finish(axes, quantity, max(len(of_look) for of_look in runs.values()))
    label_ends(axes, ends)


def draw_runs(
    axes: Axes, runs: Sequence[tuple[Values, Values]], look: Look, quantity: Quantity
) -> tuple[float, float, Look]:
    """The mean of the runs, bold, and where it ends; of an inferred quantity every run too, thin."""
    for step, value in runs if look.labelled and quantity.inferred else []:
        axes.plot(step, smooth(value), color=look.colour, linewidth=0.7, alpha=0.4, zorder=2)
    step, value_ST = aligned(runs)
    mean = smooth(value_ST.mean(0))
    marker = look.marker if len(step) <= FEW_POINTS else ""
    axes.plot(step, mean, color=look.colour, linewidth=1.9 if look.labelled else 1.0, zorder=3, marker=marker,
              markersize=4, solid_capstyle="round", gid=f"{quantity.name} {look.name}")  # fmt: skip
    return (float(step[-1]), float(mean[-1]), look) if len(step) else (0.0, np.nan, look)


def values(cell: Cell, quantity: Quantity) -> tuple[Values, Values]:
    step, value = curve(cell.metrics, quantity.key)
    value = np.square(value) if quantity.squared else value
    return step, value * (100 if is_share(quantity.key) else 1)


def smooth(value: Values) -> Values:
    """The value itself, or a running mean of very many."""
    return running_mean(value, max(3, len(value) // 40) | 1) if len(value) > MANY_POINTS else value


def aligned(runs: Sequence[tuple[Values, Values]]) -> tuple[Values, Values]:
    """The steps that all runs have, and the value of every run there, [S, T]."""
    if not runs:
        return np.empty(0), np.empty((0, 0))
    common = runs[0][0]
    for step, _ in runs[1:]:
        common = np.intersect1d(common, step)
    return common, np.array([value[np.isin(step, common)] for step, value in runs])


def draw_band(axes: Axes, runs: Sequence[tuple[Values, Values]], look: Look, quantity: Quantity) -> None:
    """All seeds, or Student's interval of their mean where they are enough for one."""
    step, value_ST = aligned(runs)
    S = len(value_ST)
    if quantity.inferred and S < FEWEST_SEEDS:
        return
    if quantity.inferred:
        reach = float(stats.t.ppf((1 + LEVEL) / 2, S - 1)) * smooth(value_ST.std(0, ddof=1)) / np.sqrt(S)
        low, high = smooth(value_ST.mean(0)) - reach, smooth(value_ST.mean(0)) + reach
    else:
        low, high = smooth(value_ST.min(0)), smooth(value_ST.max(0))
    axes.fill_between(step, low, high, color=look.colour, alpha=0.14, linewidth=0, zorder=1)


def draw_stopped(axes: Axes, step: Values, value: Values, look: Look) -> None:
    """A run that is not done: dotted, with a cross where it ended. It enters no mean."""
    axes.plot(step, smooth(value), color=look.colour, linewidth=0.9, linestyle=":", zorder=2)
    axes.plot(step[-1:], smooth(value)[-1:], color=look.colour, marker="x", markersize=5, zorder=3)


def finish(axes: Axes, quantity: Quantity, most_seeds: int) -> None:
    notes = [quantity.unit] if quantity.unit else []
    if quantity.inferred and most_seeds > 1:
        notes.append("thin: each seed" + (", shaded: 95 % interval" if most_seeds >= FEWEST_SEEDS else ""))
    elif most_seeds > 1:
        notes.append("shaded: all seeds")
    dress(axes, quantity.title, "; ".join(notes), "step")
    if quantity.reference:
        draw_reference(axes, *quantity.reference)
