"""Paired differences from the baseline, or the best point: a dot in its interval for each, every seed as a tick."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sspo_cli.study.compare import Comparison
from sspo_cli.study.results import Study
from sspo_cli.study.wording import is_share
from sspo_cli.views.canvas import dress, new_figure, save
from sspo_cli.views.figures.lines import width_for
from sspo_cli.views.style import BLUE, GREY, INK, ROUND_STEPS, SMALL, STYLE

MOST_ROWS = 24
LINE_INCHES = 0.34
ROOM_INCHES = 1.15


def plot_forest(study: Study) -> None:
    """plots/forest.svg; nothing where nothing is compared. Of very many points the nearest to the best are shown."""
    grid = study.grid
    known = [item for item in study.comparisons if item.known]
    shown = sorted(known, key=lambda item: -grid.sign * item.difference)[:MOST_ROWS]
    if not shown:
        return
    with matplotlib.rc_context(STYLE):
        width = width_for([item.name for item in shown]) + ROOM_INCHES
        figure = new_figure(width, ROOM_INCHES + LINE_INCHES * len(shown))
        axes = figure.add_subplot()
        draw(axes, shown, grid.metric)
        title = f"Difference from {grid.baseline or study.best}"
        unit = "points" if is_share(grid.metric) else grid.metric
        better = "right" if grid.sign > 0 else "left"
        dress(axes, title, f"{unit}, paired by seed and problem; better to the {better}", "", grid="x")
    save(figure, grid.folder / "plots" / "forest.svg", title)


def draw(axes: Axes, items: Sequence[Comparison], metric: str) -> None:
    scale = 100 if is_share(metric) else 1
    for row, item in enumerate(items):
        colour = BLUE if item.verdict == "separable" else GREY
        middle = scale * item.difference
        text = f"{middle:+.1f}" if scale == 100 else f"{middle:+.3g}"
        if item.tested:
            low, high = scale * item.low, scale * item.high
            axes.plot([low, high], [row, row], color=colour, linewidth=2.2, solid_capstyle="round", zorder=2)
            text += f"  [{low:.1f}, {high:.1f}]" if scale == 100 else f"  [{low:.3g}, {high:.3g}]"
        each = [scale * value for value in item.last.values()]
        axes.plot(each, [row] * len(each), "|", color=INK, markersize=7, markeredgewidth=0.7, alpha=0.55, zorder=3)
        axes.plot([middle], [row], "o", color=colour, markersize=6, zorder=4, gid=f"forest {item.name}")
        axes.annotate(text, (1, row), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", color=INK, fontsize=SMALL + 0.5, annotation_clip=False)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_yticks(range(len(items)), [item.name for item in items], color=INK)
    axes.set_ylim(len(items) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=ROUND_STEPS))
    axes.margins(x=0.08)
