"""How figures look: one palette and one set of matplotlib settings for all of them."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette: told apart by colour-blind readers and in grey.
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#C77C00"
SKY = "#56B4E9"
INK, GREY, FAINT, GRID = "#222222", "#6B6B6B", "#C4C4C4", "#E6E6E6"
SMALL = 7.5
ROUND_STEPS = [1, 2, 2.5, 5, 10]
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sspo",
    "path.simplify": False,  # every value stays in the file
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial", "Helvetica"],  # the viewer takes the first that it has
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}
