"""From a grid's folder to its results, and these as results.csv and summary.json."""

from __future__ import annotations

import csv
import io
import json
import math
import shlex
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from sspo_cli.runs.text import replace_text
from sspo_cli.statistics.intervals import FEWEST_SEEDS, two_level_interval
from sspo_cli.study.cell import Point
from sspo_cli.study.compare import TASK, any_difference, best_point, compare_all, contrasts, off_policy, over_tasks
from sspo_cli.study.conclude import conclusions
from sspo_cli.study.course import Figures, common_threshold, figures_of, finite_mean, table_of
from sspo_cli.study.fairness import unequal_beginnings
from sspo_cli.study.files import CellFiles
from sspo_cli.study.grid import Grid, Progress, Run, read_grid, silent
from sspo_cli.study.results import PointResult, Study
from sspo_cli.study.wording import is_share

WORTH_SEEING = 0.02  # of a share: two points


def write_results(folder: Path, progress: Progress = silent) -> Study:
    """Read the grid in `folder`, and write results.csv and summary.json.

    Cells that failed, are missing or damaged are counted and named, never left out silently. progress is called
    with (phase, done, total).

    Raises:
        ConfigError: no grid there, or no cell has the metric.
    """
    study = read_study(folder, progress)
    write_csv(folder / "results.csv", study)
    text = json.dumps(study.summary(), indent=2, ensure_ascii=False) + "\n"
    replace_text(folder / "summary.json", text)
    return study


def read_study(folder: Path, progress: Progress = silent) -> Study:
    """What came of the grid in `folder`. Nothing is written.

    Raises:
        ConfigError: no grid there, or no cell has the metric.
    """
    grid = read_grid(folder, progress)
    # Values on different datasets do not compare: none of them is the best, and no threshold is common to them.
    threshold, best = (None, None) if TASK in grid.varied else (common_threshold(grid), best_point(grid))
    figures = [figures_of(run, grid, threshold) if run.counts else None for run in grid.runs]
    begun = [(run.seed, CellFiles(run.cell.folder)) for run in grid.runs if run.counts]
    study = Study(
        grid=grid,
        figures=figures,
        worth_seeing=(grid.difference or WORTH_SEEING) if is_share(grid.metric) else None,
        best=None if best is None else grid.name(best),
        problems=problems_in(grid),
        threshold=threshold,
        points=[point_result(grid, point, figures) for point in grid.points],
        comparisons=compare_all(grid, best),
        contrasts=contrasts(grid),
        off_policy=off_policy(grid),
        over_tasks=over_tasks(grid),
        best_command=best_command(grid, best),
        any_difference_p=any_difference(grid),
        unequal=unequal_beginnings(begun, grid.varied),
    )
    return replace(study, words=conclusions(study))


def point_result(grid: Grid, point: Point, figures: Sequence[Figures | None]) -> PointResult:
    runs = grid.done(point)
    found = [item for run, item in zip(grid.runs, figures, strict=True) if item and run.cell.point == point]
    reached = [item.steps_to_threshold for item in found if item.steps_to_threshold is not None]
    averaged = ("best", "area", "drawdown", "entropy", "weight_variance", "effective_ratio", "length", "tokens")
    mean, low, high = mean_and_interval(runs, grid.metric)
    return PointResult(
        point=point,
        name=grid.name(point),
        seeds=[run.seed for run in runs],
        not_done=[run.seed for run in grid.at(point) if not run.counts],
        mean=mean,
        low=low,
        high=high,
        last={str(run.seed): run.last(grid.metric) for run in runs},
        steps_to_threshold=finite_mean(reached),
        reached_threshold=len(reached),
        collapsed=sum(item.collapsed for item in found),
        **{name: finite_mean(getattr(item, name) for item in found) for name in averaged},
    )


def mean_and_interval(runs: Sequence[Run], metric: str) -> tuple[float, float, float]:
    """The mean and its interval; NaN where the seeds are too few."""
    if not runs:
        return math.nan, math.nan, math.nan
    value_SP = table_of(runs, metric)
    if len(runs) < FEWEST_SEEDS:
        return float(value_SP.mean()), math.nan, math.nan
    found = two_level_interval(value_SP)
    low, high = (max(0.0, found.low), min(1.0, found.high)) if is_share(metric) else (found.low, found.high)
    return found.mean, low, high


def problems_in(grid: Grid) -> int | None:
    """How many problems the statistics see; None where the metric is not kept for every problem."""
    columns = (table_of(runs, grid.metric).shape[1] for point in grid.points if (runs := grid.done(point)))
    return next((int(number) for number in columns if number > 1), None)


def best_command(grid: Grid, best: Point | None) -> str | None:
    """The best point of a sweep as a command to run, its seed left to the user."""
    if grid.baseline is not None or best is None:
        return None
    words = [word for word in grid.at(best)[0].cell.overrides if not word.startswith("seed=")]
    return shlex.join(["sspo", "train", *words])


def write_csv(file: Path, study: Study) -> None:
    """One row per cell, in the grid's order; empty where a cell has no such figure."""
    grid = study.grid
    names = [field.name for field in fields(Figures)] if any(study.figures) else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["cell", *grid.points[0], "seed", "state", "reason", *names])
    for run, figures in zip(grid.runs, study.figures, strict=True):
        values = [getattr(figures, name, None) for name in names]
        row = [run.cell.place, *run.cell.point.values(), run.seed, run.state, run.reason, *values]
        writer.writerow([str(value).lower() if isinstance(value, bool) else value for value in row])
    replace_text(file, text.getvalue())
