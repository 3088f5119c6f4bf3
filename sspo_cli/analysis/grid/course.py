"""One row of figures for every cell: what results.csv holds and the table's means are taken over."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from sspo_cli.analysis.grid import curves
from sspo_cli.analysis.grid.cells import Cell, Grid
from sspo_cli.analysis.grid.metric import last_value, per_problem

# Figures of a run that are means over its steps, or over the last quarter of them, by their names in the results.
OVER_STEPS = {"effective_ratio": "update/effective_ratio"}
LATE = {"entropy": "policy/entropy", "length": "response/length"}
Row = dict[str, Any]


def run_rows(grid: Grid) -> list[Row]:
    """One row per cell, in the grid's order. A cell that is not done has its state, and no figures."""
    threshold = common_threshold(grid)
    return [
        {
            "cell": cell.name,
            **cell.point,
            "seed": cell.seed,
            "state": cell.state,
            "reason": cell.reason,
            **(figures(cell, grid, threshold) if cell.counts else {}),
        }
        for cell in grid.cells
    ]


def common_threshold(grid: Grid) -> float | None:
    """The one threshold that steps_to_threshold of all cells speaks of."""
    starts, lasts = [], []
    for point in grid.points:
        values = [curves.curve(cell.metrics, grid.metric)[1] for cell in grid.done(point)]
        if values:
            starts.append(float(np.mean([value[0] for value in values])))
            lasts.append(float(np.mean([value[-1] for value in values])))
    return curves.threshold_for(starts, lasts, grid.sign) if starts else None


def figures(cell: Cell, grid: Grid, threshold: float | None) -> Row:
    """Everything that is told of one run, by name."""
    step, value = curves.curve(cell.metrics, grid.metric)
    return {
        "first": float(value[0]),
        "last": float(value[-1]),
        "best": float(value.max() if grid.sign > 0 else value.min()),
        "area": curves.area(step, value),
        "steps_to_threshold": None if threshold is None else curves.steps_to(step, value, threshold, grid.sign),
        "drawdown": curves.drawdown(value, grid.sign),
        "collapsed": curves.collapsed(value, grid.sign, noise(cell, grid.metric, value)),
        **{name: curves.late_mean(cell.metrics, key) for name, key in LATE.items()},
        **{name: curves.run_mean(cell.metrics, key) for name, key in OVER_STEPS.items()},
        "weight_variance": weight_variance(cell),
        "steps": cell.metrics[-1]["step"],
        "tokens": last_value(cell.metrics, "tokens/total"),
        "minutes": cell.minutes,
        "rollout_tokens_per_s": curves.run_mean(cell.metrics, "throughput/rollout_tokens_per_s"),
        "update_tokens_per_s": curves.run_mean(cell.metrics, "throughput/update_tokens_per_s"),
        "peak_gib": last_value(cell.metrics, "memory/peak_gib"),
    }


def noise(cell: Cell, metric: str, value: curves.Values) -> float:
    """The standard error of one value: over problems where they are kept, else from step to step."""
    answers = per_problem(cell, metric)
    if answers:
        known = [answer for answer in answers.values() if math.isfinite(answer)]
        return float(np.std(known, ddof=1) / math.sqrt(len(known))) if len(known) > 1 else 0.0
    return float(np.diff(value).std() / math.sqrt(2)) if len(value) > 2 else 0.0


def weight_variance(cell: Cell) -> float | None:
    """Variance of the sequence weights within an update, a mean over the steps."""
    _, deviation = curves.curve(cell.metrics, "weight/std")
    return float(np.square(deviation).mean()) if len(deviation) else None


def write_csv(file: Path, rows: list[Row]) -> None:
    """The rows as results.csv; empty where a cell has no such figure."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: spelled(value) for name, value in row.items()} for row in rows)


def spelled(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
