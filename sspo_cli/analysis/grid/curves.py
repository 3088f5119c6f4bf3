"""What the course of one run says: area, best, drop, when it was there, whether it fell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sspo_cli.analysis.grid.metric import finite_mean
from sspo_cli.views.plots import column

THRESHOLD_SHARE = 0.75
COLLAPSE_SHARE = 0.5
LATE_SHARE = 0.25
Values = NDArray[np.float64]
Row = Mapping[str, Any]


def curve(rows: Sequence[Row], metric: str) -> tuple[Values, Values]:
    """Steps and values of the metric, where it is finite."""
    value = column(rows, metric)
    known = np.isfinite(value)
    return column(rows, "step")[known], value[known]


def area(step: Values, value: Values) -> float:
    """Mean height of the curve over its steps, by trapezoids: in the metric's unit, whatever the number of steps."""
    if len(value) == 1:
        return float(value[0])
    return float(np.trapezoid(value, step) / (step[-1] - step[0]))


def drawdown(value: Values, sign: int) -> float:
    """How far the last value lies below the best; 0 where it is the best. sign is -1 where less is better."""
    return float((sign * value).max() - sign * value[-1])


def steps_to(step: Values, value: Values, threshold: float, sign: int) -> int | None:
    """The first step with a value at or beyond the threshold; None if there is none."""
    there = np.flatnonzero(sign * value >= sign * threshold)
    return int(step[there[0]]) if len(there) else None


def collapsed(value: Values, sign: int, noise: float) -> bool:
    """Whether the run lost half of what it had gained, or more, and by more than twice the `noise` of one value."""
    gain = float((sign * value).max() - sign * value[0])
    lost = drawdown(value, sign)
    return lost > 2 * noise and lost >= COLLAPSE_SHARE * gain


def threshold_for(starts: Sequence[float], lasts: Sequence[float], sign: int) -> float | None:
    """Three quarters of the way from the mean start to the best objective's mean end; None where nothing rose."""
    start = finite_mean(starts)
    best = max(lasts, key=lambda last: sign * last)
    return start + THRESHOLD_SHARE * (best - start) if sign * (best - start) > 0 else None


def late_mean(rows: Sequence[Row], key: str) -> float | None:
    """Mean over the last quarter of the steps that have it: one step's value would be mostly noise."""
    _, value = curve(rows, key)
    return float(value[-max(1, round(LATE_SHARE * len(value))) :].mean()) if len(value) else None


def run_mean(rows: Sequence[Row], key: str) -> float | None:
    _, value = curve(rows, key)
    return float(value.mean()) if len(value) else None
