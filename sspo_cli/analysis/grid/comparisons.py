"""Differences between points, paired by seed and problem: how large, how sure, after all corrections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sspo_cli.analysis.grid.cells import Grid, Point, point_name
from sspo_cli.analysis.grid.metric import Values, last_value, table_of
from sspo_cli.statistics import significance
from sspo_cli.statistics.intervals import (
    FEWEST_SEEDS,
    answer_error,
    problem_error,
    two_level_interval,
)


def best_point(grid: Grid) -> Point | None:
    """The point with the best mean; None where fewer than two have one."""
    measured = [point for point in grid.points if grid.done(point)]
    if len(measured) < 2:
        return None
    return max(measured, key=lambda point: grid.sign * float(table_of(grid.done(point), grid.metric).mean()))


def compare(grid: Grid, best: Point | None) -> list[dict[str, Any]]:
    """Every objective against the baseline, at the same setting of all else; every point against the best where there
    is no baseline. p after Holm's correction for all of them."""
    if grid.baseline is not None:
        return against(grid, grid.baseline)
    if best is None:
        return []
    return with_holm([compare_pair(grid, point, best) for point in grid.points if point != best])


def against(grid: Grid, objective: str) -> list[dict[str, Any]]:
    """Each objective less this one, at every setting of the other keys."""
    pairs = [(point, point | {"objective": objective}) for point in grid.points if point["objective"] != objective]
    return with_holm([compare_pair(grid, point, other) for point, other in pairs if other in grid.points])


def contrasts(grid: Grid) -> list[dict[str, Any]]:
    """In a sweep over objectives and other keys: each objective against grpo, or the first one, at the same setting."""
    if grid.baseline is not None or "objective" not in grid.varied or len(grid.varied) < 2:
        return []
    names = list(dict.fromkeys(point["objective"] for point in grid.points))
    return against(grid, "grpo" if "grpo" in names else names[0])


def with_holm(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The comparisons, those that have a p after Holm's correction for all of them."""
    tested = [item for item in found if item["p"] is not None]
    for name in ("p", "doubt"):
        for item, corrected in zip(tested, significance.holm([item[name] for item in tested]), strict=True):
            item[f"{name}_holm"] = corrected
    return found


def compare_pair(grid: Grid, point: Point, reference: Point) -> dict[str, Any]:
    """The paired difference point - reference. p is that of the permutation, doubt that of the interval, by which the
    words judge; both None under FEWEST_SEEDS seeds."""
    seeds = sorted({cell.seed for cell in grid.done(point)} & {cell.seed for cell in grid.done(reference)})
    found: dict[str, Any] = {
        "point": point,
        "name": point_name(point, grid.varied),
        "against": point_name(reference, grid.varied),
        "seeds": seeds,
        "last": {},
        **dict.fromkeys(("difference", "low", "high", "sd", "problem_error", "answer_error")),
        **dict.fromkeys(("p", "p_holm", "doubt", "doubt_holm", "probability_of_improvement")),
    }
    if not seeds:
        return found
    value_SP, reference_SP = paired_tables(grid, point, reference, seeds)
    difference_SP = value_SP - reference_SP
    found |= {
        "last": {str(seed): float(value) for seed, value in zip(seeds, difference_SP.mean(1), strict=True)},
        "difference": float(difference_SP.mean()),
    }
    if len(seeds) < FEWEST_SEEDS:
        return found
    value_S, reference_S = value_SP.mean(1), reference_SP.mean(1)
    estimate = two_level_interval(difference_SP)
    return found | {
        "low": estimate.low,
        "high": estimate.high,
        "sd": float(difference_SP.mean(1).std(ddof=1)),
        "problem_error": problem_error(difference_SP),
        "answer_error": answer_error(difference_SP),
        "probability_of_improvement": significance.probability_of_improvement(
            grid.sign * value_S, grid.sign * reference_S
        ),
        "p": significance.paired_p(value_S, reference_S),
        "doubt": significance.interval_p(estimate, difference_SP),
    }


def paired_tables(grid: Grid, point: Point, reference: Point, seeds: Sequence[int]) -> tuple[Values, Values]:
    """Both points' tables over the same seeds and problems; over seeds alone where the problems are not the same."""
    of = [cell for cell in grid.done(point) if cell.seed in seeds]
    against = [cell for cell in grid.done(reference) if cell.seed in seeds]
    both = table_of([*of, *against], grid.metric)
    return both[: len(of)], both[len(of) :]


def any_difference(grid: Grid) -> float | None:
    """p that the points differ at all, over the seeds that every point has done."""
    seeds = set.intersection(*({cell.seed for cell in grid.done(point)} for point in grid.points))
    if len(grid.points) < 3 or len(seeds) < FEWEST_SEEDS:
        return None
    value_OS = [
        [last_value(cell.metrics, grid.metric) for cell in grid.done(point) if cell.seed in seeds]
        for point in grid.points
    ]
    return significance.any_difference_p(np.array(value_OS, dtype=float))
