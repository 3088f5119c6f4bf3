"""Metrics over the steps: for every point a bold mean over seeds, in a band."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from sspo_cli.metrics import metric
from sspo_cli.statistics.intervals import FEWEST_SEEDS
from sspo_cli.study.course import curve
from sspo_cli.study.grid import Run
from sspo_cli.study.results import Study
from sspo_cli.study.wording import is_share
from sspo_cli.views.canvas import draw_reference, dress, new_figure, round_steps, round_values, save
from sspo_cli.views.figures.lines import (
    Line,
    Look,
    Values,
    label_ends,
    looks,
    student_interval,
    width_for,
    within_percent,
)
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
    key: str
    title: str = ""
    unit: str = ""
    squared: bool = False
    logarithmic: bool = False
    inferred: bool = False
    reference: tuple[float, str] | None = None

    @property
    def caption(self) -> str:
        """What the figure shows, in one sentence."""
        return metric(self.key).meaning if not self.title else f"{self.title} {self.unit}."


DYNAMICS = (
    Quantity("reward", "reward/mean"),
    Quantity("entropy", "policy/entropy"),
    Quantity("effective_ratio", "update/effective_ratio", reference=(1.0, "on-policy")),
    Quantity(
        "weight_variance", "weight/std", "Variance of sequence weights", "within an update", squared=True,
        logarithmic=True,
    ),
    Quantity("response_length", "response/length"),
    Quantity("gradient_norm", "grad/norm"),
)  # fmt: skip


# What went wrong in the runs: drawn where it is anything but zero.
ALARMS = (
    Quantity("held_out_truncated", "eval/truncated"),
    Quantity("truncated", "response/truncated"),
    Quantity("held_out_failed_graders", "eval/errors"),
    Quantity("failed_graders", "reward/errors"),
)


def plot_curves(study: Study) -> None:
    """plots/learning_curve.svg, one file for each of DYNAMICS that the runs have, and of ALARMS that they raise."""
    key = study.grid.metric
    alarms = [quantity for quantity in ALARMS if any(values(run, quantity)[1].any() for run in study.grid.runs)]
    others = (quantity for quantity in (*DYNAMICS, *alarms) if quantity.key != key)
    for quantity in (Quantity("learning_curve", key, inferred=True), *others):
        plot_quantity(study, quantity)


def plot_quantity(study: Study, quantity: Quantity) -> None:
    """Nothing where no run has it."""
    grid = study.grid
    found = {
        grid.name(point): [run for run in grid.at(point) if len(values(run, quantity)[0])] for point in grid.points
    }
    styles = looks(list(found), [point.name for point in study.ranked])
    shown = [(look, found[name]) for name, look in styles.items() if found[name]]
    if not shown:
        return
    title = quantity.title or metric(quantity.key).title
    with matplotlib.rc_context(STYLE):
        figure = new_figure(width_for([look.name for look, _ in shown if look.labelled]), HEIGHT_INCHES)
        axes = figure.add_subplot()
        floor = lowest(shown, quantity)
        lines = [draw_runs(axes, runs, look, quantity, floor) for look, runs in shown]
        round_steps(axes)
        if quantity.logarithmic:
            axes.set_yscale("log")
        else:
            round_values(axes)
        for line in lines:
            if line.look.labelled:
                line.draw_band(axes)
        dress(axes, title, "; ".join(notes(quantity, max(done(runs) for _, runs in shown))), "step")
        if quantity.reference:
            draw_reference(axes, *quantity.reference)
        label_ends(axes, lines)
    save(figure, grid.folder / "plots" / f"{quantity.name}.svg", title)


def lowest(shown: Sequence[tuple[Look, Sequence[Run]]], quantity: Quantity) -> float:
    """The least value that is drawn: on a logarithmic scale smaller ones lie at its lower end."""
    if not quantity.logarithmic:
        return -math.inf
    highest = max((float(values(run, quantity)[1].max()) for _, runs in shown for run in runs), default=0.0)
    return highest / float(10**MOST_DECADES)


def done(runs: Sequence[Run]) -> int:
    return sum(run.counts for run in runs)


def notes(quantity: Quantity, most_seeds: int) -> list[str]:
    """The unit, and what is thin or shaded."""
    unit = quantity.unit or metric(quantity.key).unit
    found = [unit] if unit else []
    if quantity.inferred and most_seeds > 1:
        found.append("thin: each seed" + (", shaded: 95 % interval" if most_seeds >= FEWEST_SEEDS else ""))
    elif most_seeds > 1:
        found.append("shaded: all seeds")
    return found


def draw_runs(axes: Axes, runs: Sequence[Run], look: Look, quantity: Quantity, floor: float) -> Line:
    """The mean of the runs that are done, bold; of an inferred quantity each of them too, thin.

    A run that is not done is dotted, with a cross where it ended, and enters no mean.
    """
    found = [(run.counts, *values(run, quantity)) for run in runs]
    of_done = [(step, np.maximum(value, floor)) for counts, step, value in found if counts]
    not_done = [(step, np.maximum(value, floor)) for counts, step, value in found if not counts]
    for step, value in of_done if look.labelled and quantity.inferred else []:
        axes.plot(step, smooth(value), color=look.colour, linewidth=0.7, alpha=0.4, zorder=2)
    for step, value in not_done:
        axes.plot(step, smooth(value), color=look.colour, linewidth=0.9, linestyle=":", zorder=2)
        axes.plot(step[-1:], smooth(value)[-1:], color=look.colour, marker="x", markersize=5, zorder=3)
    step, value_ST = aligned(of_done)
    marker = look.marker if len(step) <= FEW_POINTS else ""
    middle, low, high = (smooth(value) for value in middle_and_band(value_ST, quantity))
    line = Line(look, step, middle, low, high, f"{quantity.name} {look.name}", marker=marker)
    if of_done:
        line.draw(axes)
    return line


def middle_and_band(value_ST: Values, quantity: Quantity) -> tuple[Values, Values, Values]:
    """The mean over seeds with its interval, or with the range of all seeds."""
    if not len(value_ST):
        return np.empty(0), np.empty(0), np.empty(0)
    if not quantity.inferred:
        return value_ST.mean(0), value_ST.min(0), value_ST.max(0)
    low, high = student_interval(value_ST)
    return value_ST.mean(0), *(within_percent(low, high) if is_share(quantity.key) else (low, high))


def values(run: Run, quantity: Quantity) -> tuple[Values, Values]:
    """Steps and values where the run has it, in the unit of the figure."""
    step, value = curve(run.metrics, quantity.key)
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
