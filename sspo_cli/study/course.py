"""The figures of every run: its last value, and how it got there."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sspo_cli.statistics.pass_at_k import pass_at_k
from sspo_cli.study.grid import Grid, Run

ANSWERS = {"eval/accuracy": "correct", "eval/length": "length", "eval/reward": "reward", "eval/truncated": "truncated"}
THRESHOLD_SHARE = 0.75
COLLAPSE_SHARE = 0.5
LATE_SHARE = 0.25
Values = NDArray[np.float64]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Figures:
    """Of one run that is done; None where the run has no such metric.

    area: mean height of the curve. steps_to_threshold: the first step at or beyond the grid's threshold. drawdown: best
    less last. entropy, length: of the last quarter of the steps. effective_ratio, weight_variance (of the sequence
    weights within an update) and speeds: means over the steps.
    """

    first: float
    last: float
    best: float
    area: float
    steps_to_threshold: int | None
    drawdown: float
    collapsed: bool
    entropy: float | None
    length: float | None
    effective_ratio: float | None
    weight_variance: float | None
    steps: int
    tokens: float | None
    minutes: float | None
    rollout_tokens_per_s: float | None
    update_tokens_per_s: float | None
    peak_gib: float | None


def figures_of(run: Run, grid: Grid, threshold: float | None) -> Figures:
    step, value = curve(run.metrics, grid.metric)
    return Figures(
        first=float(value[0]),
        last=float(value[-1]),
        best=float(value.max() if grid.sign > 0 else value.min()),
        area=area(step, value),
        steps_to_threshold=None if threshold is None else steps_to(step, value, threshold, grid.sign),
        drawdown=drawdown(value, grid.sign),
        collapsed=collapsed(value, grid.sign, noise(run, grid.metric, value)),
        entropy=late_mean(run.metrics, "policy/entropy"),
        length=late_mean(run.metrics, "response/length"),
        effective_ratio=run_mean(run.metrics, "update/effective_ratio"),
        weight_variance=weight_variance(run.metrics),
        steps=run.metrics[-1]["step"],
        tokens=run.last("tokens/total"),
        minutes=run.minutes,
        rollout_tokens_per_s=run_mean(run.metrics, "throughput/rollout_tokens_per_s"),
        update_tokens_per_s=run_mean(run.metrics, "throughput/update_tokens_per_s"),
        peak_gib=run.last("memory/peak_gib"),
    )


def common_threshold(grid: Grid) -> float | None:
    """The threshold of steps_to_threshold, the same for all runs."""
    values = [[curve(run.metrics, grid.metric)[1] for run in grid.done(point)] for point in grid.points]
    starts, lasts = (
        [float(np.mean([value[place] for value in found])) for found in values if found] for place in (0, -1)
    )
    return threshold_for(starts, lasts, grid.sign) if starts else None


def threshold_for(starts: Sequence[float], lasts: Sequence[float], sign: int) -> float | None:
    """Three quarters of the way from the mean start to the best objective's mean end; None where nothing rose."""
    start = finite_mean(starts)
    best = max(lasts, key=lambda last: sign * last)
    return start + THRESHOLD_SHARE * (best - start) if sign * (best - start) > 0 else None


def curve(rows: Sequence[Row], metric: str) -> tuple[Values, Values]:
    """Steps and values of the metric, where it is finite."""
    known = [(row["step"], row[metric]) for row in rows if is_finite(row.get(metric))]
    table = np.array(known, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


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


def noise(run: Run, metric: str, value: Values) -> float:
    """The standard error of one value: over problems where they are kept, else from step to step."""
    if answers := per_problem(run, metric):
        known = [answer for answer in answers.values() if math.isfinite(answer)]
        return float(np.std(known, ddof=1) / math.sqrt(len(known))) if len(known) > 1 else 0.0
    return float(np.diff(value).std() / math.sqrt(2)) if len(value) > 2 else 0.0


def late_mean(rows: Sequence[Row], key: str) -> float | None:
    """Mean over the last quarter of the steps that have it: one step's value would be mostly noise."""
    _, value = curve(rows, key)
    return float(value[-max(1, round(LATE_SHARE * len(value))) :].mean()) if len(value) else None


def run_mean(rows: Sequence[Row], key: str) -> float | None:
    _, value = curve(rows, key)
    return float(value.mean()) if len(value) else None


def weight_variance(rows: Sequence[Row]) -> float | None:
    _, deviation = curve(rows, "weight/std")
    return float(np.square(deviation).mean()) if len(deviation) else None


def finite_mean(values: Iterable[float | None]) -> float:
    """Mean of what is there; NaN where nothing is."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def table_of(runs: Sequence[Run], metric: str) -> Values:
    """The metric of every seed (a row) and problem (a column), a mean over samples.

    One column with the seeds' own values where the runs did not answer the same problems, or the metric is not one of
    the evaluation. Problems that a run has no value for are left out.
    """
    found = [per_problem(run, metric) for run in runs]
    known = [answers for answers in found if answers]
    if len(known) == len(runs) and known and all(answers.keys() == known[0].keys() for answers in known):
        value_SP = np.array([[answers[problem] for problem in known[0]] for answers in known])
        value_SP = value_SP[:, np.isfinite(value_SP).all(axis=0)]
        if value_SP.shape[1] > 1:
            return value_SP
    return np.array([[run.last(metric)] for run in runs], dtype=float)


def per_problem(run: Run, metric: str) -> dict[str, float] | None:
    """The metric for every problem of the run's last evaluation, a mean over samples; None where none is kept.

    Of a metric of one source of a mixture, for the problems of that source.
    """
    _, _, source = metric.removeprefix("eval/").partition("/")
    outcome = outcome_of(metric.removesuffix(f"/{source}") if source else metric)
    if outcome is None or not run.answers:
        return None
    groups: dict[str, list[Row]] = {}
    for row in run.answers:
        if row["step"] == run.answers[-1]["step"] and source in ("", row.get("source")):
            groups.setdefault(row["problem"], []).append(row)
    return {problem: outcome(rows) for problem, rows in groups.items()}


def outcome_of(metric: str) -> Callable[[list[Row]], float] | None:
    """From the answers to one problem to the metric."""
    if metric.startswith("eval/pass@") and metric.removeprefix("eval/pass@").isdigit():
        k = int(metric.removeprefix("eval/pass@"))
        return lambda rows: pass_at_k_of([row["correct"] for row in rows], k)
    field = ANSWERS.get(metric)
    return None if field is None else lambda rows: finite_mean(row[field] for row in rows)


def pass_at_k_of(correct: Sequence[bool | None], k: int) -> float:
    """NaN where there are fewer samples than k, and where the problem has no answer to compare with."""
    return math.nan if len(correct) < k or None in correct else pass_at_k(len(correct), sum(map(bool, correct)), k)
