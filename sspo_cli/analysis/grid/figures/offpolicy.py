"""The off-policy study, drawn: a line and a band for every objective, and its difference from the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from sspo_cli.analysis.grid.cells import Grid
from sspo_cli.analysis.grid.figures.drawing import COLOURS, MARKERS, Look, label_ends, width_for
from sspo_cli.analysis.grid.metric import is_share
from sspo_cli.analysis.grid.study import AXES, Place, places
from sspo_cli.views.canvas import dress, new_figure, round_values, save
from sspo_cli.views.style import INK, STYLE

DASHES = ("solid", "dashed", "dotted", "dashdot")
TITLES = {"updates": "More updates per rollout", "staleness": "Older samples"}
BELOW = {"updates": "updates per rollout", "staleness": "rollouts between sampling and learning"}
HEIGHT_INCHES = 3.1
DASH_WORDS = {"updates": "dashed: more updates", "staleness": "dashed: older samples"}


def plot_offpolicy(grid: Grid, summary: Mapping[str, Any]) -> list[Path]:
    """plots/off_policy.svg: the metric over updates per rollout and over staleness, whichever vary; below, the paired
    difference from the first objective."""
    studied = places(grid)
    panels = [axes for axes in AXES if len({getattr(place, axes[0]) for place in studied}) > 1]
    if not panels:
        return []
    unit = f"{grid.metric}, %" if is_share(grid.metric) else grid.metric
    with matplotlib.rc_context(STYLE):
        figure = new_figure(width_for([place.objective for place in studied]) * len(panels), 2 * HEIGHT_INCHES)
        for number, (key, other) in enumerate(panels, start=1):
            lines = series(studied, key, other)
            note = f"; {DASH_WORDS[other]}" if any(dash != DASHES[0] for _, dash, _ in lines) else ""
            above = figure.add_subplot(2, len(panels), number)
            draw(above, lines, key, summary["points"], "mean", grid)
            dress(above, TITLES[key], f"{unit}; shaded: 95 % interval{note}", "")
            below = figure.add_subplot(2, len(panels), len(panels) + number)
            draw(below, lines, key, summary["contrasts"], "difference", grid)
            below.axhline(0, color=INK, linewidth=0.9, zorder=1)
            against = summary["contrasts"][0]["against"].split(",")[0]
            dress(below, f"Difference from {against}", "paired by seed and problem; shaded: 95 % interval", BELOW[key])
    return [save(figure, grid.folder / "plots" / "off_policy.svg", "Off-policy study")]


def series(studied: Sequence[Place], key: str, other: str) -> list[tuple[Look, str, list[Place]]]:
    """The lines over `key`: one for every objective and value of `other`, with its look and dash."""
    objectives = list(dict.fromkeys(place.objective for place in studied))
    levels = sorted({getattr(place, other) for place in studied})
    found = []
    for objective, colour, marker in zip(objectives, COLOURS, MARKERS, strict=False):
        drawn = 0
        for level in levels:
            line = [place for place in studied if place.objective == objective and getattr(place, other) == level]
            if len(line) > 1:
                look = Look(objective, colour, marker, labelled=not drawn)
                found.append((look, DASHES[drawn % len(DASHES)], sorted(line, key=lambda place: getattr(place, key))))
                drawn += 1
    return found


def draw(
    axes: Axes,
    lines: Sequence[tuple[Look, str, list[Place]]],
    key: str,
    items: Sequence[Mapping[str, Any]],
    value: str,
    grid: Grid,
) -> None:
    """`value` of the items along the lines, in the bands of their intervals; values of `key` are evenly spaced."""
    known = {str(item["point"]): item for item in items}
    scale = 100 if is_share(grid.metric) else 1
    ticks = sorted({getattr(place, key) for _, _, line in lines for place in line})
    ends, bands = [], []
    for look, dash, line in lines:
        shown = [(ticks.index(getattr(at, key)), known[str(at.point)]) for at in line if str(at.point) in known]
        if not shown:
            continue
        x = np.array([tick for tick, _ in shown])
        y, low, high = (
            scale * np.array([item[name] for _, item in shown], dtype=float) for name in (value, "low", "high")
        )
        axes.plot(x, y, color=look.colour, marker=look.marker, linewidth=1.9, linestyle=dash,
                  gid=f"off-policy {value} {key} {look.name} {dash}")  # fmt: skip
        ends.append((float(x[-1]), float(y[-1]), look))
        bands.append((x, low, high, look.colour))
    frame = axes.get_ylim()
    for x, low, high, colour in bands:
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    # The differences need their intervals in full; those of the means would flatten the lines.
    if value == "mean":
        axes.set_ylim(frame)
    axes.set_xticks(range(len(ticks)), [str(tick) for tick in ticks], color=INK)
    round_values(axes)
    label_ends(axes, ends)
