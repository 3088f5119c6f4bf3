"""The metric over every key that varies, a line for each objective: the effect of one setting, or of two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from sspo_cli.study.cell import Point, plain, short_names
from sspo_cli.study.compare import Comparison
from sspo_cli.study.grid import Grid
from sspo_cli.study.results import Study
from sspo_cli.study.wording import is_share
from sspo_cli.views.canvas import dress, new_figure, round_values, save
from sspo_cli.views.figures.lines import Line, Look, label_ends, looks, student_interval, width_for, within_percent
from sspo_cli.views.style import BLUE, GREY, INK, STYLE

DASHES = ("solid", "dashed", "dotted", "dashdot")
HEIGHT_INCHES = 3.1
MOST_ACROSS = 3
Band = tuple[float, float, float]  # a value with the ends of its interval, NaN where there is none
NOTHING = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Panel:
    """One key, and how the values of the others are shown: by colour, by dash, or averaged."""

    key: str
    colour: str | None
    dash: str | None
    averaged: bool


def plot_keys(study: Study) -> None:
    """plots/by_key.svg; nothing where nothing but the objective varies.

    Above, the metric; below, where objectives are compared at each setting, their paired difference from the first.
    """
    grid = study.grid
    panels = [panel_of(key, grid) for key in grid.varied if key != "objective"]
    if not panels or not any(point.known for point in study.points):
        return
    pairs = study.contrasts or (study.comparisons if "objective" in grid.varied else [])
    below = bool(pairs) and not any(panel.averaged for panel in panels)
    beside = below and len(panels) == 1  # its differences stand beside it instead
    across = 2 if beside else min(MOST_ACROSS, len(panels))
    rows = -(-len(panels) // across)
    deep = 2 if below and not beside else 1
    with matplotlib.rc_context(STYLE):
        names = [look.name for panel in panels for look in colours(study, panel).values()]
        figure = new_figure(width_for(names) * across, HEIGHT_INCHES * rows * deep)
        spots = figure.subplots(rows * deep, across, squeeze=False)
        for spot in spots.flat:
            spot.set_visible(False)
        places = [divmod(number, across) for number in range(len(panels))]
        above = [spots[row * deep, column] for row, column in places]
        lines = [draw_metric(axes, panel, study) for axes, panel in zip(above, panels, strict=True)]
        share_frame(above)
        for axes, panel, drawn in zip(above, panels, lines, strict=True):
            finish_metric(axes, panel, study, drawn)
        for (row, column), panel in zip(places, panels, strict=True) if below else []:
            spot = spots[0, 1] if beside else spots[2 * row + 1, column]
            draw_differences(spot, panel, study, pairs)
    save(figure, grid.folder / "plots" / "by_key.svg", "The metric by key")


def share_frame(every: Sequence[Axes]) -> None:
    """One range of values for all of these axes."""
    ends = [axes.get_ylim() for axes in every]
    for axes in every:
        axes.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))


def panel_of(key: str, grid: Grid) -> Panel:
    """Objectives have colours; of other keys one has colours or dashes, and more than that are averaged."""
    rest = [other for other in grid.varied if other not in (key, "objective")]
    if "objective" in grid.varied:
        return Panel(key, "objective", rest[0] if len(rest) == 1 else None, len(rest) > 1)
    return Panel(key, rest[0] if len(rest) == 1 else None, None, len(rest) > 1)


def levels(grid: Grid, key: str | None) -> list[Any]:
    """The values of a key: numbers in ascending order, words in the order of the grid."""
    if key is None:
        return [None]
    found = list(dict.fromkeys(point[key] for point in grid.points))
    return sorted(found) if is_ordered(found) else found


def is_ordered(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def colours(study: Study, panel: Panel) -> dict[Any, Look]:
    """The look of every value that colours tell apart."""
    if panel.colour is None:
        return {None: Look("", BLUE, "o")}
    names = {study.grid.name({panel.colour: value}): value for value in levels(study.grid, panel.colour)}
    return {names[name]: look for name, look in looks(list(names), list(names)).items()}


def draw_metric(axes: Axes, panel: Panel, study: Study) -> list[Line]:
    """The lines, and a dot for every point where they are means over several."""
    grid = study.grid
    axes.set_visible(True)
    means = {str(point.point): (point.mean, point.low, point.high) for point in study.points}
    lines = lines_of(panel, study, "metric", lambda points: band_at(points, means, grid))
    for line in lines:
        line.draw(axes)
        line.draw_band(axes)
    for point in grid.points if panel.averaged else []:
        height = scale_of(grid) * means[str(point)][0]
        axes.plot(levels(grid, panel.key).index(point[panel.key]), height, "o", color=GREY, markersize=3.5, alpha=0.6)
    return lines


def finish_metric(axes: Axes, panel: Panel, study: Study, lines: Sequence[Line]) -> None:
    grid = study.grid
    shaded = any(np.isfinite(line.low).any() for line in lines)
    parts = [f"{grid.metric}, %" if is_share(grid.metric) else grid.metric]
    parts += ["shaded: 95 % interval"] if shaded else []
    parts += ["dots: each point"] if panel.averaged else []
    if panel.dash is not None:
        dashed = zip(DASHES[1:], levels(grid, panel.dash)[1:], strict=False)
        parts += [f"{dash}: {grid.name({panel.dash: value})}" for dash, value in dashed]
    finish(axes, panel, grid, f"Effect of {short_names(grid.varied)[panel.key]}", "; ".join(parts))
    label_ends(axes, lines)


def draw_differences(axes: Axes, panel: Panel, study: Study, pairs: Sequence[Comparison]) -> None:
    axes.set_visible(True)
    differences = {str(item.point): (item.difference, item.low, item.high) for item in pairs}
    lines = lines_of(panel, study, "difference", lambda points: differences.get(str(points[0]), NOTHING))
    for line in lines:
        line.draw(axes)
        line.draw_band(axes)
    axes.axhline(0, color=INK, linewidth=0.9, zorder=1)
    against = pairs[0].against.split(", ")[0]
    finish(axes, panel, study.grid, f"Difference from {against}", "paired by seed and problem; shaded: 95 % interval")
    label_ends(axes, lines)


def lines_of(panel: Panel, study: Study, what: str, band: Callable[[list[Point]], Band]) -> list[Line]:
    """One line for every colour and dash; values of the key are evenly spaced. band: of the points at one place."""
    grid, ticks = study.grid, levels(study.grid, panel.key)
    found: list[Line] = []
    for (value, look), (place, level) in product(colours(study, panel).items(), enumerate(levels(grid, panel.dash))):
        at = [points_at(grid, {panel.colour: value, panel.dash: level, panel.key: tick}) for tick in ticks]
        bands = [band(points) if points else NOTHING for points in at]
        known = [number for number, (middle, *_) in enumerate(bands) if not math.isnan(middle)]
        if not known:
            continue
        middle, low, high = scale_of(grid) * np.array([bands[number] for number in known]).T
        if what == "metric" and is_share(grid.metric):
            low, high = within_percent(low, high)
        first = look.labelled and look.name not in ("", *(line.look.name for line in found))
        dash = DASHES[place % len(DASHES)]
        found.append(
            Line(
                replace(look, labelled=first),
                np.array(known, dtype=np.float64),
                middle,
                low,
                high,
                gid=" ".join(part for part in (what, panel.key, look.name, dash) if part),
                dash=dash,
                joined=is_ordered(ticks),
                marker=look.marker,
            )
        )
    return found


def points_at(grid: Grid, chosen: dict[str | None, Any]) -> list[Point]:
    """The points that have these values; None stands for no key."""
    return [point for point in grid.points if all(key is None or point[key] == chosen[key] for key in chosen)]


def scale_of(grid: Grid) -> float:
    return 100.0 if is_share(grid.metric) else 1.0


def band_at(points: list[Point], means: dict[str, Band], grid: Grid) -> Band:
    """A point's own mean and interval; of several, the mean over them and seeds with Student's interval over seeds."""
    if len(points) == 1:
        return means[str(points[0])]
    points = [point for point in points if grid.done(point)]
    seeds = grid.common_seeds(points) if points else []
    if not seeds:
        return NOTHING
    last_SP = np.array(
        [[run.last(grid.metric) for point in points for run in grid.done(point) if run.seed == seed] for seed in seeds],
        dtype=np.float64,
    )
    mean_S = last_SP.mean(1, keepdims=True)
    low, high = student_interval(mean_S)
    return float(mean_S.mean()), float(low[0]), float(high[0])


def finish(axes: Axes, panel: Panel, grid: Grid, title: str, note: str) -> None:
    ticks = levels(grid, panel.key)
    axes.set_xticks(range(len(ticks)), [plain(tick) for tick in ticks], color=INK)
    axes.margins(x=0.1)
    round_values(axes)
    dress(axes, title, note, panel.key)
