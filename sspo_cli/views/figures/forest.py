"""Paired differences from the baseline, or the best point: a dot in its interval for each, every seed as a tick."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sspo_cli.metrics import metric as known_as
from sspo_cli.study.compare import Comparison
from sspo_cli.study.results import Study
from sspo_cli.study.wording import bare, is_share
from sspo_cli.views.canvas import dress, new_figure, save
from sspo_cli.views.figures.lines import LETTER_INCHES
from sspo_cli.views.style import BLUE, GREY, INK, ROUND_STEPS, STYLE

MOST_ROWS = 24
LINE_INCHES = 0.42
ABOVE_AND_BELOW_INCHES = 1.75
AXES_INCHES = 2.4
VALUES_INCHES = 1.5  # of the difference and its interval, at the right


def plot_forest(study: Study) -> None:
    """plots/forest.svg; nothing where nothing is compared. Of very many points the nearest to the best are shown."""
    grid = study.grid
    known = [item for item in study.comparisons if item.known]
    shown = sorted(known, key=lambda item: -grid.sign * item.difference)[:MOST_ROWS]
    if not shown:
        return
    with matplotlib.rc_context(STYLE):
        width = AXES_INCHES + VALUES_INCHES + LETTER_INCHES * max(6, *(len(item.name) for item in shown))
        figure = new_figure(width, ABOVE_AND_BELOW_INCHES + LINE_INCHES * len(shown))
        axes = figure.add_subplot()
        draw(axes, shown, grid.metric)
        title = f"Difference from {grid.baseline or study.best}"
        unit = f"{known_as(grid.metric).label}{', points' if is_share(grid.metric) else ''}"
        dress(axes, title, f"{unit}; better to the {'right' if grid.sign > 0 else 'left'}", "", grid="x")
        axes.title.set_in_layout(False)
        figure.legend(handles=legend(shown), loc="outside lower left", ncols=2, frameon=False, fontsize=8.5,
                      handlelength=1.4, columnspacing=1.2, labelcolor=INK)  # fmt: skip
    save(figure, grid.folder / "plots" / "forest.svg", title)


def legend(shown: Sequence[Comparison]) -> list[Line2D]:
    """What dots, bars, ticks and colours are; only those that are there."""
    found = [Line2D([], [], color=GREY, marker="o", linewidth=0, label="mean difference")]
    if any(item.tested for item in shown):
        found.append(Line2D([], [], color=GREY, linewidth=2.2, label="95 % interval"))
    found.append(Line2D([], [], color=INK, marker="|", linewidth=0, markersize=8, label="each seed"))
    if any(item.verdict == "separable" for item in shown):
        found.append(Line2D([], [], color=BLUE, marker="o", linewidth=2.2, label="larger than chance"))
    return found


def draw(axes: Axes, items: Sequence[Comparison], metric: str) -> None:
    scale = 100 if is_share(metric) else 1
    for row, item in enumerate(items):
        colour = BLUE if item.verdict == "separable" else GREY
        middle, text = scale * item.difference, bare(item.difference, metric, "+")
        if item.tested:
            low, high = scale * item.low, scale * item.high
            axes.plot([low, high], [row, row], color=colour, linewidth=2.6, solid_capstyle="round", zorder=2)
            text += f"  ({bare(item.low, metric)} to {bare(item.high, metric)})"
        each = [scale * value for value in item.last.values()]
        axes.plot(each, [row] * len(each), "|", color=INK, markersize=9, markeredgewidth=0.8, alpha=0.6, zorder=3)
        axes.plot([middle], [row], "o", color=colour, markersize=7, zorder=4, gid=f"forest {item.name}")
        axes.annotate(text, (1, row), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", color=INK, annotation_clip=False)  # fmt: skip
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    axes.set_yticks(range(len(items)), [item.name for item in items], color=INK)
    axes.set_ylim(len(items) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=ROUND_STEPS))
    axes.margins(x=0.08)
