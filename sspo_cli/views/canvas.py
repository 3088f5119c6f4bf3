"""What all figures share: an empty canvas, titles and axes without a frame, files without a date."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from sspo_cli.views.style import GREY, GRID, INK, ROUND_STEPS, SMALL, STYLE

UNIT_LETTER_INCHES = 0.072
LINE_POINTS = 11
NO_BREAK = "\N{NO-BREAK SPACE}"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size in inches, to be filled inside STYLE."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.06, hspace=0.06)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasSVG(figure)
    return figure


def save(figure: Figure, file: Path, title: str) -> Path:
    """Write the figure as SVG, making the folder if need be: the same figure gives the same bytes."""
    file.parent.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        layout = figure.get_layout_engine()
        assert layout is not None
        layout.execute(figure)
        figure.set_layout_engine("none")  # or savefig draws everything once more, only to lay it out
        figure.savefig(file, metadata={"Date": None, "Title": title})
    return file


def dress(axes: Axes, title: str, unit: str, below: str, grid: Literal["x", "y"] = "y") -> None:
    """Title, unit under it, in as many lines as it takes, a light grid; no frame."""
    lines = textwrap.wrap(unit.replace(" %", NO_BREAK + "%"), letters_across(axes)) or [""]
    pad = 21 + LINE_POINTS * (len(lines) - 1)
    axes.set_title(title, loc="left", y=1, fontsize=10.5, fontweight="bold", pad=pad, color=INK)
    words = axes.annotate(
        "\n".join(lines), (0, 1), (0, 8), xycoords="axes fraction", textcoords="offset points", color=GREY
    )
    words.set_in_layout(False)  # a line that is longer than the axes does not squeeze them
    axes.set_xlabel(below)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", length=3)


def letters_across(axes: Axes) -> int:
    """How many letters fit above the axes, before the layout has given them their width."""
    place, figure = axes.get_subplotspec(), axes.figure
    assert place is not None and isinstance(figure, Figure)
    return int(0.8 * figure.get_figwidth() / place.get_gridspec().ncols / UNIT_LETTER_INCHES)


def round_steps(axes: Axes) -> None:
    """Whole numbers below."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=ROUND_STEPS))


def round_values(axes: Axes) -> None:
    """Few round numbers at the side."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=ROUND_STEPS))


def draw_reference(axes: Axes, level: float, name: str) -> None:
    """A dashed line across, with its name above."""
    axes.axhline(level, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(name, (0, level), (3, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                  color=GREY, fontsize=SMALL)  # fmt: skip
