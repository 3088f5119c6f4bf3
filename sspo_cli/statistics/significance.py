"""Whether a difference is chance: permutation within seeds, the p of an interval, Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sspo_cli.statistics.intervals import Estimate, answer_error, problem_error

PERMUTATIONS = 10_000
Values = NDArray[np.float64]


def paired_p(value_S: Values, baseline_S: Values) -> float:
    """Two-sided permutation p of the mean difference between two objectives, seeds paired.

    Null: swapping the two within a seed changes nothing in distribution, which common random numbers make exact. All
    2^S swaps are tried where they are at most PERMUTATIONS, so S seeds reach 2 / 2^S at best: 0.25 for three seeds,
    0.0625 for five, 0.031 for six. What p speaks of is a new seed, not a new problem.
    """
    found = stats.permutation_test(
        (value_S, baseline_S),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def smallest_p(seeds: int) -> float:
    """The least that paired_p can say with so many seeds."""
    return float(2 / 2**seeds)


def any_difference_p(value_OS: Values) -> float:
    """Permutation p that O objectives differ at all: labels are shuffled within every seed.

    Null: within a seed all objectives are exchangeable. The statistic is the variance between their means (a
    permutation test of randomised blocks; Friedman's test on values instead of ranks). Exact up to PERMUTATIONS
    shuffles, else drawn. It says nothing of any one pair.
    """
    found = stats.permutation_test(
        tuple(value_OS),
        lambda *value_OS, axis: np.var([np.mean(value, axis=axis) for value in value_OS], axis=0),
        permutation_type="samples",
        vectorized=True,
        n_resamples=PERMUTATIONS,
        alternative="greater",
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def holm(p_n: Sequence[float]) -> list[float]:
    """Each p after Holm's step-down correction (Scandinavian Journal of Statistics, 1979): at most one false alarm
    among all comparisons with the stated probability."""
    corrected = [0.0] * len(p_n)
    largest = 0.0
    for rank, place in enumerate(np.argsort(p_n, kind="stable")):
        largest = max(largest, min(1.0, (len(p_n) - rank) * p_n[place]))
        corrected[place] = largest
    return corrected


def interval_p(estimate: Estimate, difference_SP: Values) -> float:
    """The p of the two-level interval of paired differences, by which a verdict is given.

    It is never less than what the noise of single answers alone gives: a few seeds can agree by luck.
    """
    least_error = math.hypot(answer_error(difference_SP), problem_error(difference_SP))
    return max(estimate.p, normal_p(estimate.mean, least_error))


def normal_p(value: float, error: float) -> float:
    """Two-sided p of a value with a known standard error; 1 where there is neither value nor error."""
    if error == 0:
        return 0.0 if value else 1.0
    return float(2 * stats.norm.sf(abs(value) / error))


def probability_of_improvement(value_n: Values, baseline_n: Values) -> float:
    """Chance that a run of the one ends above a run of the other, whatever their seeds; ties count half
    (arXiv 2108.13264, eq. 2)."""
    larger = value_n[:, None] > baseline_n
    equal = value_n[:, None] == baseline_n
    return float((larger + 0.5 * equal).mean())
