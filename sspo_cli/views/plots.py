"""A run folder's metrics as SVG figures: the same rows give the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.views.canvas import draw_reference, dress, new_figure, round_steps, round_values, save
from sspo_cli.views.charts import CHARTS, Chart, Panel
from sspo_cli.views.style import SMALL, STYLE

PANEL_INCHES = (4.3, 3.0)
MANY_POINTS = 80


def plot_run(folder: Path) -> list[Path]:
    """Draw folder/metrics.jsonl into folder/plots/<chart>.svg, a file for every chart that has data.

    Returns:
        The files written.

    Raises:
        BrokenFile: if a line of it, other than a torn last one, is no row of metrics.
    """
    rows = read_metrics(folder)
    written = []
    for chart in CHARTS:
        with matplotlib.rc_context(STYLE):
            figure = draw(chart, rows)
            if figure is None:
                continue
            written.append(save(figure, folder / "plots" / f"{chart.name}.svg", chart.title))
    return written


def draw(chart: Chart, rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The chart's panels that have data, in rows of at most two or three; None where no panel has any."""
    panels = [panel for panel in chart.panels if np.isfinite(column(rows, panel.key)).any()]
    if not panels:
        return None
    across = 2 if len(panels) in (2, 4) else min(len(panels), 3)
    down = math.ceil(len(panels) / across)
    figure = new_figure(PANEL_INCHES[0] * across, PANEL_INCHES[1] * down)
    for place, panel in enumerate(panels, start=1):
        draw_panel(figure.add_subplot(down, across, place), panel, rows)
    return figure


def draw_panel(axes: Axes, panel: Panel, rows: Sequence[Mapping[str, Any]]) -> None:
    value = column(rows, panel.key) * panel.scale
    known = np.isfinite(value)
    step, value = column(rows, "step")[known], value[known]
    if panel.reference is not None:
        draw_reference(axes, *panel.reference)
    draw_band(axes, panel, rows, known)
    unit = panel.metric.unit
    many = len(value) > MANY_POINTS
    if many and not panel.points:
        axes.plot(step, value, color=panel.colour, linewidth=0.7, alpha=0.35, zorder=2)
        window = max(3, len(value) // 40) | 1
        value = running_mean(value, window)
        unit = f"{unit}, bold: mean of {window} points"
    marker = "o" if (panel.points and not many) or len(value) == 1 else None
    axes.plot(step, value, color=panel.colour, linewidth=1.8, marker=marker, markersize=3.5, zorder=3,
              solid_capstyle="round", solid_joinstyle="round", gid=panel.key)  # fmt: skip
    label_value(axes, panel, (step[-1], value[-1]), (7, 0), "center")
    if panel.points and len(value) > 1:
        away = -5 if value[-1] >= value[0] else 5  # on the side that the curve does not take
        label_value(axes, panel, (step[0], value[0]), (10, away), "center")
    dress(axes, panel.metric.title, unit, "step")
    round_steps(axes)
    round_values(axes)
    axes.margins(y=0.14)
    if panel.from_zero and not (value < 0).any():
        axes.set_ylim(bottom=0)
    axes.set_xlim(*step_limits(rows))


def label_value(
    axes: Axes, panel: Panel, point: tuple[float, float], offset: tuple[float, float], vertical: str
) -> None:
    axes.annotate(panel.metric.written(point[1] / panel.scale), point, offset, textcoords="offset points", va=vertical,
                  color=panel.colour, fontweight="bold", annotation_clip=False)  # fmt: skip


def draw_band(axes: Axes, panel: Panel, rows: Sequence[Mapping[str, Any]], known: NDArray[np.bool_]) -> None:
    """The panel's band, with what it is in the lower right corner."""
    if panel.spread:
        middle, spread = column(rows, panel.key), column(rows, panel.spread)
        low, high = middle - spread, middle + spread
    elif panel.low and panel.high:
        low, high = column(rows, panel.low), column(rows, panel.high)
    else:
        return
    drawn = known & np.isfinite(low) & np.isfinite(high)
    if not drawn.any():
        return
    step, low, high = column(rows, "step")[drawn], low[drawn] * panel.scale, high[drawn] * panel.scale
    axes.fill_between(step, low, high, color=panel.colour, alpha=0.16, linewidth=0, zorder=1)
    axes.annotate(f"shaded: {panel.band}", (1, 0), (-4, 4), xycoords="axes fraction", textcoords="offset points",
                  ha="right", va="bottom", color=panel.colour, fontsize=SMALL)  # fmt: skip


def step_limits(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """One range of steps for all panels, with a little air."""
    step = column(rows, "step")
    first, last = float(np.nanmin(step)), float(np.nanmax(step))
    air = 0.02 * (last - first) or 0.5
    return first - air, last + air


def column(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    """The metric of every row, NaN where it is missing or not a finite number."""
    values = [row.get(key) for row in rows]
    return np.array(
        [value if isinstance(value, int | float) and math.isfinite(value) else math.nan for value in values]
    )


def running_mean(value: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    """Centred mean of `window` values, of fewer at both ends."""
    ones = np.ones(window)
    return np.convolve(value, ones, mode="same") / np.convolve(np.ones_like(value), ones, mode="same")
