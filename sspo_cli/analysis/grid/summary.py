"""summary.json of a grid: every figure that the reports tell, none of which depends on the clock."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from sspo_cli.analysis.grid.cells import Cell, Grid, Point, point_name
from sspo_cli.analysis.grid.comparisons import any_difference, best_point, compare, contrasts
from sspo_cli.analysis.grid.course import Row, common_threshold
from sspo_cli.analysis.grid.metric import WORTH_SEEING, finite_mean, is_share, last_value, table_of
from sspo_cli.analysis.grid.provenance import unequal_starts
from sspo_cli.analysis.grid.study import changes
from sspo_cli.statistics.intervals import (
    FEWEST_SEEDS,
    iqm,
    iqm_interval,
    two_level_interval,
)

TASK = "dataset"
AVERAGED = ("best", "area", "drawdown", "entropy", "weight_variance", "effective_ratio", "length", "tokens")


def summarise(grid: Grid, rows: Sequence[Row]) -> dict[str, Any]:
    """The content of summary.json but for the words: points in the grid's order, all comparisons."""
    best = best_point(grid)
    return {
        "kind": grid.kind,
        "status": grid.status,
        "metric": grid.metric,
        "direction": grid.direction,
        "worth_seeing": worth_seeing(grid),
        "axes": grid.axes,
        "baseline": grid.baseline,
        "best": None if best is None else point_name(best, grid.varied),
        "allowed": grid.allowed,
        "cells": grid.counts(),
        "problems": problems_in(grid),
        "threshold": common_threshold(grid),
        "points": [
            summarise_point(grid, point, [row for row in rows if row["state"] == "done" and is_at(row, point)])
            for point in grid.points
        ],
        "comparisons": compare(grid, best),
        "contrasts": contrasts(grid),
        "off_policy": changes(grid),
        "over_tasks": over_tasks(grid),
        "best_command": best_command(grid, best),
        "any_difference_p": any_difference(grid),
        "unequal": unequal_starts(grid),
        "warnings": [
            {"cell": cell.name, "warning": line} for cell in grid.cells if cell.counts for line in cell.warnings
        ],
        "failures": [
            {"cell": cell.name, "state": cell.state, "reason": cell.reason} for cell in grid.cells if not cell.counts
        ],
    }


def worth_seeing(grid: Grid) -> float | None:
    """The difference that the words ask seeds for; None: of a metric that is no share, the one that was found."""
    if not is_share(grid.metric):
        return None
    return grid.difference or WORTH_SEEING


def is_at(row: Row, point: Point) -> bool:
    return all(row.get(key) == value for key, value in point.items())


def problems_in(grid: Grid) -> int | None:
    """How many problems the statistics see; None where the metric is not kept for every problem."""
    for point in grid.points:
        cells = grid.done(point)
        columns = int(table_of(cells, grid.metric).shape[1]) if cells else 1
        if columns > 1:
            return columns
    return None


def summarise_point(grid: Grid, point: Point, done: Sequence[Row]) -> dict[str, Any]:
    """One line of the tables: mean with its interval, and means over the seeds of what else is told."""
    cells = grid.done(point)
    reached = [row["steps_to_threshold"] for row in done if row["steps_to_threshold"] is not None]
    return {
        "point": point,
        "name": point_name(point, grid.varied),
        "seeds": [cell.seed for cell in cells],
        "not_done": [cell.seed for cell in grid.at(point) if not cell.counts],
        **mean_and_interval(cells, grid.metric),
        "last": {str(cell.seed): last_value(cell.metrics, grid.metric) for cell in cells},
        **{name: finite_mean(row[name] for row in done) for name in AVERAGED},
        "steps_to_threshold": finite_mean(reached),
        "reached_threshold": len(reached),
        "collapsed": sum(row["collapsed"] for row in done),
    }


def mean_and_interval(cells: Sequence[Cell], metric: str) -> dict[str, float | None]:
    """mean, low and high; of too few seeds the mean alone."""
    if not cells:
        return {"mean": None, "low": None, "high": None}
    value_SP = table_of(cells, metric)
    if len(cells) < FEWEST_SEEDS:
        return {"mean": float(value_SP.mean()), "low": None, "high": None}
    found = two_level_interval(value_SP)
    low, high = (max(0.0, found.low), min(1.0, found.high)) if is_share(metric) else (found.low, found.high)
    return {"mean": found.mean, "low": low, "high": high}


def best_command(grid: Grid, best: Point | None) -> str | None:
    """The best point of a sweep as a command to run, its seed left to the user."""
    if grid.baseline is not None or best is None:
        return None
    words = [word for word in grid.at(best)[0].overrides if not word.startswith("seed=")]
    return shlex.join(["sspo", "train", *words])


def over_tasks(grid: Grid) -> list[dict[str, Any]]:
    """Where the dataset is an axis: the interquartile mean of every other setting over all datasets and seeds.

    Over the seeds that every dataset has done; a setting that lacks a dataset is left out.
    """
    if TASK not in grid.varied:
        return []
    tasks = {str(point[TASK]) for point in grid.points}
    groups: dict[str, list[Point]] = {}
    for point in grid.points:
        groups.setdefault(point_name(without_task(point), grid.varied) or "all", []).append(point)
    found = []
    for name, points in groups.items():
        seeds = set.intersection(*({cell.seed for cell in grid.done(point)} for point in points))
        if len(points) < len(tasks) or not seeds:
            continue
        value_TS = np.array(
            [
                [last_value(cell.metrics, grid.metric) for cell in grid.done(point) if cell.seed in seeds]
                for point in points
            ],
            dtype=float,
        )
        interval = iqm_interval(value_TS) if len(seeds) >= FEWEST_SEEDS else None
        found.append(
            {
                "name": name,
                "tasks": len(points),
                "seeds": sorted(seeds),
                "iqm": iqm(value_TS),
                "low": interval and interval.low,
                "high": interval and interval.high,
                "last": {str(seed): float(value) for seed, value in zip(sorted(seeds), value_TS.mean(0), strict=True)},
            }
        )
    return found


def without_task(point: Point) -> Point:
    return {key: value for key, value in point.items() if key != TASK}
