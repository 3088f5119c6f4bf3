"""A metric: how it is written, and what of it the evaluation kept for every problem."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sspo_cli.analysis.grid.cells import Cell
from sspo_cli.metrics import metric as known_as
from sspo_cli.statistics.pass_at_k import pass_at_k

ANSWERS = {"eval/accuracy": "correct", "eval/length": "length", "eval/reward": "reward", "eval/truncated": "truncated"}
WORTH_SEEING = 0.02  # of a share: two points
Values = NDArray[np.float64]
Row = Mapping[str, Any]


def is_share(metric: str) -> bool:
    """Whether it lies between 0 and 1 and is written in percent."""
    return known_as(metric).is_share


def written(value: float, metric: str) -> str:
    """A value of the metric: 81.3 %, or four digits."""
    return f"{100 * value:.1f} %" if is_share(metric) else f"{value:.4g}"


def written_range(low: float, high: float, metric: str) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f} %" if is_share(metric) else f"{low:.4g} to {high:.4g}"


def written_difference(value: float, metric: str, sign: str = "") -> str:
    """A difference between two values: 2.1 points, or four digits; with sign "+" the sign of a positive one too."""
    return f"{100 * value:{sign}.1f} points" if is_share(metric) else f"{value:{sign}.4g}"


def last_value(rows: Sequence[Row], metric: str) -> float | None:
    return next((float(row[metric]) for row in reversed(rows) if row.get(metric) is not None), None)


def per_problem(cell: Cell, metric: str) -> dict[str, float] | None:
    """The metric for every problem of the cell's last evaluation, a mean over samples; None where none is kept."""
    outcome = outcome_of(metric)
    if outcome is None or not cell.answers:
        return None
    groups: dict[str, list[Row]] = defaultdict(list)
    last = cell.answers[-1]["step"]
    for row in cell.answers:
        if row["step"] == last:
            groups[row["problem"]].append(row)
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


def finite_mean(values: Iterable[float | None]) -> float:
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


def table_of(cells: Sequence[Cell], metric: str) -> Values:
    """The metric of every seed (a row) and problem (a column).

    One column with the seeds' own values where the runs did not answer the same problems, or the metric is not one of
    the evaluation. Problems that a run has no value for are left out.
    """
    found = [per_problem(cell, metric) for cell in cells]
    known = [answers for answers in found if answers]
    if len(known) == len(cells) and known and all(answers.keys() == known[0].keys() for answers in known):
        value_SP = np.array([[answers[problem] for problem in known[0]] for answers in known])
        value_SP = value_SP[:, np.isfinite(value_SP).all(axis=0)]
        if value_SP.shape[1] > 1:
            return value_SP
    return np.array([[last_value(cell.metrics, metric)] for cell in cells], dtype=float)
