"""The comparison as a picture: a bar per side, cut into phases."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.table import of
from benchmarks.versus import scaled
from sspo_cli.views.style import BLUE, GREEN, GREY, INK, ORANGE, STYLE

matplotlib.use("svg")
import matplotlib.pyplot as plt

PHASES = (("rollout_s", "rollout", BLUE), ("scoring_s", "old log-probabilities", ORANGE), ("update_s", "update", GREEN))
NAMES = {"sspo": "sspo", "trl": "TRL", "trl static": "TRL, static cache"}


def draw(result: dict[str, Any], file: Path) -> None:
    """Median seconds of each phase of a rollout step, by side, as SVG at `file`."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(figsize=(7.2, 2.2), layout="constrained")
        for place, side in enumerate(NAMES):
            left = 0.0
            for phase, _, colour in PHASES:
                seconds = statistics.median(scaled(job, phase) for job in of(result, side))
                axes.barh(place, seconds, left=left, height=0.62, color=colour)
                left += seconds
            step = statistics.median(scaled(job, "step_s") for job in of(result, side))
            axes.text(left, place, f"  {step:.1f} s", va="center", color=INK)
        axes.set_yticks(range(len(NAMES)), list(NAMES.values()))
        axes.invert_yaxis()
        axes.set_xlabel("seconds a rollout step: 256 responses, 4 updates")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.margins(x=0.08)
        handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for _, _, colour in PHASES]
        names = [name for _, name, _ in PHASES]
        figure.legend(handles, names, loc="outside upper center", ncols=len(PHASES), frameon=False, labelcolor=GREY)
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)
