"""A sweep over its keys: the effect of each, a map of two, parallel coordinates of more."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy import stats

from sspo_cli.analysis.grid.cells import Grid, plain, short_keys
from sspo_cli.analysis.grid.curves import Values
from sspo_cli.analysis.grid.metric import is_share, last_value
from sspo_cli.statistics.intervals import FEWEST_SEEDS, LEVEL
from sspo_cli.views.canvas import dress, new_figure, round_values, save
from sspo_cli.views.style import BLUE, FAINT, GREY, INK, SMALL, STYLE, VERMILION

MOST_ACROSS = 3
COLOURS = "viridis"
BEHIND_TEXT = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
Scores = dict[int, dict[int, float]]  # point's place in the grid -> seed -> last value, in the unit of the figures


def plot_landscape(grid: Grid) -> list[Path]:
    """plots/effects.svg for any keys, plots/heat_map.svg for two, plots/parallel.svg for more."""
    scores = last_scores(grid)
    if not grid.varied or not any(scores.values()):
        return []
    written = [plot_effects(grid, scores)]
    if len(grid.varied) == 2:
        written.append(plot_heat_map(grid, scores))
    if len(grid.varied) > 2:
        written.append(plot_parallel(grid, scores))
    return written


def last_scores(grid: Grid) -> Scores:
    scale = 100 if is_share(grid.metric) else 1
    return {
        place: {
            cell.seed: scale * value
            for cell in grid.done(point)
            if (value := last_value(cell.metrics, grid.metric)) is not None
        }
        for place, point in enumerate(grid.points)
    }


def short(value: float, metric: str) -> str:
    return f"{value:.1f}" if is_share(metric) else f"{value:.3g}"


def unit_of(grid: Grid) -> str:
    return f"{grid.metric}, %" if is_share(grid.metric) else grid.metric


def levels(grid: Grid, key: str) -> list[Any]:
    """The values of a key: numbers in ascending order, words in the order of the grid."""
    found = list(dict.fromkeys(point[key] for point in grid.points))
    return sorted(found) if all(is_number(value) for value in found) else found


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def seed_means(scores: Scores, points: Sequence[int]) -> list[float]:
    """For every seed that all these points have done, its mean over them."""
    common = sorted(set.intersection(*(set(scores[place]) for place in points))) if points else []
    return [float(np.mean([scores[place][seed] for place in points])) for seed in common]


def plot_effects(grid: Grid, scores: Scores) -> Path:
    """The metric over each key: a dot for every point, and the mean over the points with that value in its interval."""
    across = min(MOST_ACROSS, len(grid.varied))
    down = -(-len(grid.varied) // across)
    with matplotlib.rc_context(STYLE):
        figure = new_figure(3.7 * across if across > 1 else 5.2, 3.1 * down)
        shared = None
        for place, key in enumerate(grid.varied, start=1):
            shared = figure.add_subplot(down, across, place, sharey=shared)
            draw_effect(shared, grid, scores, key)
    return save(figure, grid.folder / "plots" / "effects.svg", "Effect of each key")


def draw_effect(axes: Axes, grid: Grid, scores: Scores, key: str) -> None:
    values = levels(grid, key)
    middles, reaches = [], []
    for place, value in enumerate(values):
        points = [i for i, point in enumerate(grid.points) if point[key] == value and scores[i]]
        dots = [float(np.mean(list(scores[i].values()))) for i in points]
        axes.plot([place] * len(dots), dots, "o", color=GREY, markersize=3.5, alpha=0.6, zorder=2)
        of_seeds = np.array(seed_means(scores, points))
        middles.append(of_seeds.mean() if len(of_seeds) else np.nan)
        reaches.append(student_reach(of_seeds))
    places = np.arange(len(values))
    middle, reach = np.array(middles), np.array(reaches)
    ordered = all(is_number(value) for value in values)
    axes.plot(places, middle, color=BLUE, linewidth=1.9 if ordered else 0, marker="o", markersize=5, zorder=3,
              gid=f"effect {key}")  # fmt: skip
    frame = axes.get_ylim()
    if ordered:
        axes.fill_between(places, middle - reach, middle + reach, color=BLUE, alpha=0.14, linewidth=0, zorder=1)
    else:
        axes.errorbar(places, middle, reach, color=BLUE, linewidth=1.9, linestyle="", zorder=1)
    axes.set_ylim(frame)
    axes.margins(x=0.1)
    axes.set_xticks(places, [plain(value) for value in values], color=INK)
    round_values(axes)
    note = "; shaded: 95 % over seeds" if np.isfinite(reach).any() and ordered else ""
    dress(axes, short_keys(grid.varied)[key], unit_of(grid) + note, key)


def student_reach(value_S: Values) -> float:
    """Half the 95 % interval of a mean over seeds; NaN where they are too few for one."""
    S = len(value_S)
    if S < FEWEST_SEEDS:
        return np.nan
    return float(stats.t.ppf((1 + LEVEL) / 2, S - 1) * value_S.std(ddof=1) / np.sqrt(S))


def plot_heat_map(grid: Grid, scores: Scores) -> Path:
    """Mean over seeds for every pair of values; the best has a frame, a pair without a done cell is blank."""
    down_key, across_key = sorted(grid.varied, key=lambda key: len(levels(grid, key)))
    rows, columns = levels(grid, down_key), levels(grid, across_key)
    mean_RC = np.full((len(rows), len(columns)), np.nan)
    for place, point in enumerate(grid.points):
        if scores[place]:
            mean_RC[rows.index(point[down_key]), columns.index(point[across_key])] = np.mean(
                list(scores[place].values())
            )
    with matplotlib.rc_context(STYLE):
        figure = new_figure(2.4 + 0.95 * len(columns), 1.5 + 0.55 * len(rows))
        axes = figure.add_subplot()
        draw_heat_map(axes, mean_RC, grid)
        axes.set_xticks(np.arange(len(columns)) + 0.5, [plain(value) for value in columns], color=INK)
        axes.set_yticks(np.arange(len(rows)) + 0.5, [plain(value) for value in rows], color=INK)
        title = " and ".join(short_keys([across_key, down_key]).values())
        dress(axes, title, f"{unit_of(grid)}, mean over seeds; framed: best", across_key)
        axes.set_ylabel(down_key)
        axes.grid(visible=False)
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(length=0)
    return save(figure, grid.folder / "plots" / "heat_map.svg", title)


def draw_heat_map(axes: Axes, mean_RC: Values, grid: Grid) -> None:
    low, high = np.nanmin(mean_RC), np.nanmax(mean_RC)
    span = (high - low) or 1.0
    axes.pcolormesh(mean_RC, cmap=COLOURS, vmin=low, vmax=low + span, edgecolors="white", linewidth=2)
    best = divmod(int(np.nanargmax(grid.sign * mean_RC)), mean_RC.shape[1])
    for row, column in product(*map(range, mean_RC.shape)):
        value = mean_RC[row, column]
        if np.isfinite(value):
            light = (value - low) / span > 0.6
            weight = "bold" if (row, column) == best else "normal"
            axes.text(column + 0.5, row + 0.5, short(value, grid.metric), ha="center", va="center",
                      color="black" if light else "white", fontweight=weight)  # fmt: skip
        else:
            axes.text(column + 0.5, row + 0.5, "none done", ha="center", va="center", color=GREY, fontsize=SMALL)
    axes.add_patch(Rectangle((best[1], best[0]), 1, 1, fill=False, edgecolor=VERMILION, linewidth=2.2, zorder=4))
    axes.invert_yaxis()


def plot_parallel(grid: Grid, scores: Scores) -> Path:
    """A line for every point through its values and its mean, coloured by it."""
    keys = grid.varied
    means = {place: float(np.mean(list(found.values()))) for place, found in scores.items() if found}
    low, high = min(means.values()), max(means.values())
    span = (high - low) or 1.0
    with matplotlib.rc_context(STYLE):
        figure = new_figure(2.2 + 1.5 * len(keys), 3.6)
        axes = figure.add_subplot()
        for place in sorted(means, key=lambda place: grid.sign * means[place]):
            height = (means[place] - low) / span
            heights = [level_height(levels(grid, key), grid.points[place][key]) for key in keys] + [height]
            axes.plot(range(len(heights)), heights, color=colormaps[COLOURS](height), linewidth=1.7, alpha=0.85,
                      gid=f"point {place}")  # fmt: skip
        for place, key in enumerate(keys):
            draw_scale(
                axes, place, [(level_height(levels(grid, key), value), plain(value)) for value in levels(grid, key)]
            )
        draw_scale(
            axes, len(keys), [(share, short(low + share * span, grid.metric)) for share in (0, 0.25, 0.5, 0.75, 1)]
        )
        axes.set_xticks(
            range(len(keys) + 1),
            [*short_keys(keys).values(), grid.metric.rpartition("/")[2]],
            color=INK,
            fontweight="bold",
        )
        axes.set_yticks([])
        axes.set_xlim(-0.3, len(keys) + 0.3)
        dress(axes, "All points", f"a line for each; right: {unit_of(grid)}, mean over seeds", "")
        axes.spines["bottom"].set_visible(False)
        axes.grid(visible=False)
        axes.tick_params(length=0)
    return save(figure, grid.folder / "plots" / "parallel.svg", "All points")


def level_height(values: Sequence[Any], value: Any) -> float:
    return values.index(value) / (len(values) - 1) if len(values) > 1 else 0.5


def draw_scale(axes: Axes, place: int, marks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color=FAINT, linewidth=1, zorder=0)
    for height, text in marks:
        axes.annotate(text, (place, height), (5, 0), textcoords="offset points", va="center", color=INK,
                      fontsize=SMALL + 1, bbox=BEHIND_TEXT)  # fmt: skip
