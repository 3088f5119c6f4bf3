"""Differences between points, paired by seed and problem: how large, how sure, after all corrections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sspo_cli.statistics import significance
from sspo_cli.statistics.intervals import (
    FEWEST_SEEDS,
    answer_error,
    iqm,
    iqm_interval,
    problem_error,
    two_level_interval,
)
from sspo_cli.statistics.power import seeds_needed
from sspo_cli.study.cell import Point
from sspo_cli.study.course import Values, table_of
from sspo_cli.study.grid import Grid

ALPHA = 0.05
TASK = "dataset"
UPDATES = ("batch.minibatches", "batch.epochs")
STALENESS = "rollout.staleness"
OFF_POLICY = (("updates", "staleness"), ("staleness", "updates"))  # what is looked at, and what is held while looking


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The paired difference of a point from another one; NaN where the seeds are too few to tell.

    last: the difference of every seed. p: of the permutation. interval_p: of the interval, by which a verdict is given.
    _holm: after Holm's correction for all comparisons. sd: of the seeds' differences. problem_error, answer_error: the
    standard errors from problems and from single answers. probability_of_improvement: of a run over one of the other.
    """

    point: Point
    name: str
    against: str
    seeds: list[int]
    last: dict[str, float] = field(default_factory=dict)
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    sd: float = math.nan
    problem_error: float = math.nan
    answer_error: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan
    interval_p: float = math.nan
    interval_p_holm: float = math.nan
    probability_of_improvement: float = math.nan

    @property
    def known(self) -> bool:
        return bool(self.seeds)

    @property
    def tested(self) -> bool:
        return not math.isnan(self.interval_p)

    @property
    def verdict(self) -> str:
        """separable after Holm's correction, uncorrected_only before it alone, or not_separable."""
        if self.interval_p_holm < ALPHA:
            return "separable"
        return "uncorrected_only" if self.interval_p < ALPHA else "not_separable"

    @property
    def deviation(self) -> float:
        """The standard deviation that one more seed is expected to have: at least what single answers alone give."""
        return max(self.sd, self.answer_error * math.sqrt(len(self.seeds)))

    def seeds_to_see(self, difference: float) -> int | None:
        """Seeds with which a difference of this size would be seen; MOST_SEEDS where no number is enough, because the
        problems are too few; None where these runs do not tell."""
        if not self.tested or not difference or not self.deviation:
            return None
        return seeds_needed(difference, self.deviation, floor=self.problem_error)


@dataclass(frozen=True, kw_only=True)
class OffPolicyChange(Comparison):
    """What an objective gains from `start` to `end` updates per rollout, or rollouts of staleness (`axis`)."""

    objective: str
    axis: str
    start: int
    end: int


@dataclass(frozen=True)
class OverTasks:
    """The interquartile mean of a setting over all datasets and seeds. last: of every seed the mean over datasets."""

    name: str
    tasks: int
    seeds: list[int]
    iqm: float
    low: float
    high: float
    last: dict[str, float]


def best_point(grid: Grid) -> Point | None:
    """The point with the best mean; None where fewer than two have one."""
    measured = [point for point in grid.points if grid.done(point)]
    if len(measured) < 2:
        return None
    return max(measured, key=lambda point: grid.sign * float(table_of(grid.done(point), grid.metric).mean()))


def compare_all(grid: Grid, best: Point | None) -> list[Comparison]:
    """Every objective against the baseline, at the same setting of all else; every point against the best where there
    is no baseline. p after Holm's correction for all of them."""
    if grid.baseline is not None:
        return compare_objectives(grid, grid.baseline)
    if best is None:
        return []
    return with_holm([compare_pair(grid, point, best) for point in grid.points if point != best])


def compare_objectives(grid: Grid, against: str) -> list[Comparison]:
    """Each objective less this one, at every setting of the other keys."""
    pairs = [(point, point | {"objective": against}) for point in grid.points if point["objective"] != against]
    return with_holm([compare_pair(grid, point, other) for point, other in pairs if other in grid.points])


def contrasts(grid: Grid) -> list[Comparison]:
    """In a sweep over objectives and other keys: each objective against grpo, or the first one, at the same setting."""
    if grid.baseline is not None or "objective" not in grid.varied or len(grid.varied) < 2:
        return []
    names = [point["objective"] for point in grid.points]
    return compare_objectives(grid, "grpo" if "grpo" in names else names[0])


def with_holm(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons, those that have a p after Holm's correction for all of them."""
    tested = [item for item in found if item.tested]
    p_holm = significance.holm([item.p for item in tested])
    interval_p_holm = significance.holm([item.interval_p for item in tested])
    corrected = iter(
        replace(item, p_holm=p, interval_p_holm=interval_p)
        for item, p, interval_p in zip(tested, p_holm, interval_p_holm, strict=True)
    )
    return [next(corrected) if item.tested else item for item in found]


def compare_pair(grid: Grid, point: Point, reference: Point) -> Comparison:
    """point - reference."""
    seeds = grid.common_seeds([point, reference])
    found = Comparison(point=point, name=grid.name(point), against=grid.name(reference), seeds=seeds)
    if not seeds:
        return found
    value_SP, reference_SP = paired_tables(grid, point, reference, seeds)
    difference_SP = value_SP - reference_SP
    last = {str(seed): float(value) for seed, value in zip(seeds, difference_SP.mean(1), strict=True)}
    found = replace(found, last=last, difference=float(difference_SP.mean()))
    if len(seeds) < FEWEST_SEEDS:
        return found
    value_S, reference_S = value_SP.mean(1), reference_SP.mean(1)
    estimate = two_level_interval(difference_SP)
    improvement = significance.probability_of_improvement(grid.sign * value_S, grid.sign * reference_S)
    return replace(
        found,
        low=estimate.low,
        high=estimate.high,
        sd=float(difference_SP.mean(1).std(ddof=1)),
        problem_error=problem_error(difference_SP),
        answer_error=answer_error(difference_SP),
        p=significance.paired_p(value_S, reference_S),
        interval_p=significance.interval_p(estimate, difference_SP),
        probability_of_improvement=improvement,
    )


def paired_tables(grid: Grid, point: Point, reference: Point, seeds: Sequence[int]) -> tuple[Values, Values]:
    """Both points' tables over the same seeds and problems; over seeds alone where the problems are not the same."""
    one, other = ([run for run in grid.done(at) if run.seed in seeds] for at in (point, reference))
    both = table_of([*one, *other], grid.metric)
    return both[: len(one)], both[len(one) :]


def last_values(grid: Grid, points: Sequence[Point], seeds: Sequence[int]) -> Values:
    """The last value of the metric for every point (a row) and seed (a column)."""
    values = [[run.last(grid.metric) for run in grid.done(point) if run.seed in seeds] for point in points]
    return np.array(values, dtype=float)


def any_difference(grid: Grid) -> float | None:
    """p that the points differ at all, over the seeds that every point has done."""
    seeds = grid.common_seeds(grid.points)
    if len(grid.points) < 3 or len(seeds) < FEWEST_SEEDS:
        return None
    return significance.any_difference_p(last_values(grid, grid.points, seeds))


def off_policy(grid: Grid) -> list[OffPolicyChange]:
    """What each objective loses or gains from the nearest to the farthest place on either off-policy axis.

    Empty unless only the objective and these axes vary: then a point is known by its place. The other axis is
    held at the lowest value where the objective has two places or more.
    """
    keys = {*UPDATES, STALENESS} & set(grid.varied)
    if "objective" not in grid.varied or not keys or set(grid.varied) - keys - {"objective"}:
        return []
    places = [(off_policy_place(grid, point), point) for point in grid.points]
    known = [(place, point) for place, point in places if place]
    found = []
    for axis, other in OFF_POLICY:
        for objective in dict.fromkeys(str(point["objective"]) for _, point in known):
            for level in sorted({place[other] for place, _ in known}):
                line = [item for item in known if item[0][other] == level and item[1]["objective"] == objective]
                line.sort(key=lambda item: item[0][axis])
                ends = [place[axis] for place, _ in line]
                if line and ends[0] < ends[-1]:
                    pair = compare_pair(grid, line[-1][1], line[0][1])
                    change = OffPolicyChange(**vars(pair), objective=objective, axis=axis, start=ends[0], end=ends[-1])
                    found.append(change)
                    break
    return found


def off_policy_place(grid: Grid, point: Point) -> dict[str, int]:
    """Updates per rollout of a point, and how many rollouts old its samples are; empty if no run tells."""
    config = next((run.config for run in grid.at(point) if run.config), None)
    if config is None:
        return {}
    updates = config["batch"]["minibatches"] * config["batch"]["epochs"]
    return {"updates": updates, "staleness": config["rollout"]["staleness"]}


def over_tasks(grid: Grid) -> list[OverTasks]:
    """Where the dataset is an axis: the interquartile mean of every other setting over all datasets and seeds.

    Over the seeds that every dataset has done; a setting that lacks a dataset is left out.
    """
    if TASK not in grid.varied:
        return []
    tasks = {str(point[TASK]) for point in grid.points}
    groups: dict[str, list[Point]] = {}
    for point in grid.points:
        rest = {key: value for key, value in point.items() if key != TASK and key in grid.varied}
        groups.setdefault(grid.name(rest) or "all", []).append(point)
    found = []
    for name, points in groups.items():
        seeds = grid.common_seeds(points)
        if len(points) < len(tasks) or not seeds:
            continue
        value_TS = last_values(grid, points, seeds)
        estimate = iqm_interval(value_TS) if len(seeds) >= FEWEST_SEEDS else None
        low, high = (estimate.low, estimate.high) if estimate else (math.nan, math.nan)
        last = {str(seed): float(value) for seed, value in zip(seeds, value_TS.mean(0), strict=True)}
        found.append(OverTasks(name, len(points), seeds, iqm(value_TS), low, high, last))
    return found
