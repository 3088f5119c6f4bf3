"""Intervals that cover with few seeds: two levels of chance, seeds and problems."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

DRAWS = 4000
LEVEL = 0.95
FEWEST_SEEDS = 3
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval, both in the metric's unit. p is the level at which the interval would touch 0."""

    mean: float
    low: float
    high: float
    p: float


def two_level_interval(value_SP: Values) -> Estimate:
    """Mean over S seeds and P problems, both seen as draws from a population, with a two-level bootstrap interval.

    Problems are resampled. Seeds are not: three of them, resampled, do not reach the tails, while the noise of the
    answers is counted at both levels, so that the plain two-level bootstrap covers 80 % where seeds matter and 100 %
    where they do not. Their level is drawn from Student's t instead, t_{S-1} s / sqrt(S) with s the standard deviation
    of the seeds' means. It holds the noise of the answers already; the problems' level is scaled to what the problems
    add, by the mean squares of the two-way table: Var = (MS_seed + MS_problem - MS_rest) / (S P) (Cornfield and Tukey,
    1956). The sum of both levels is a Behrens-Fisher distribution, which errs on the wide side where both matter;
    docs/statistics.md has the measured coverage.

    Args:
        value_SP: one value per seed and problem (a mean over samples). With one column the seeds alone count.

    Raises:
        ValueError: under FEWEST_SEEDS seeds: two that happen to agree would have an interval of no width.
    """
    S, P = value_SP.shape
    if S < FEWEST_SEEDS:
        raise ValueError(f"{S} seeds have no interval to trust")
    rng = np.random.default_rng(0)
    mean = value_SP.mean()
    seed_error = value_SP.mean(1).std(ddof=1) / np.sqrt(S)
    draws = mean + student_draws(S - 1, rng) * seed_error
    if P > 1:
        draws += problem_draws(value_SP, rng)
    return from_draws(mean, draws)


def student_draws(freedom: int, rng: np.random.Generator) -> Values:
    """DRAWS values of Student's t in random order: its quantiles, so that the heavy tails carry no chance."""
    return rng.permutation(np.array(stats.t.ppf((np.arange(DRAWS) + 0.5) / DRAWS, freedom)))


def problem_draws(value_SP: Values, rng: np.random.Generator) -> Values:
    """What resampled problems add to the mean, without the part that the seeds' means vary by already."""
    P, mean_P = value_SP.shape[1], value_SP.mean(0)
    # How often each problem is drawn says all that a resample's mean needs.
    count_DP = rng.multinomial(P, np.full(P, 1 / P), size=DRAWS)
    shift_D: Values = count_DP @ mean_P / P - mean_P.mean()
    return shift_D * sqrt(problem_share(value_SP))


def problem_share(value_SP: Values) -> float:
    """The part of the variance between the problems' means that is the problems' own: 1 - MS_rest / MS_problem."""
    problem_square = value_SP.shape[0] * value_SP.mean(0).var(ddof=1)
    return float(max(0.0, 1 - rest_square(value_SP) / problem_square)) if problem_square > 0 else 0.0


def rest_square(value_SP: Values) -> float:
    """MS_rest of the two-way table: the noise of single answers."""
    S, P = value_SP.shape
    rest_SP = value_SP - value_SP.mean(1, keepdims=True) - value_SP.mean(0) + value_SP.mean()
    return float(np.square(rest_SP).sum() / ((S - 1) * (P - 1)))


def problem_error(value_SP: Values) -> float:
    """The standard error of the mean that comes from the problems alone: no number of seeds lowers it."""
    S, P = value_SP.shape
    if S < 2 or P < 2:
        return 0.0
    return sqrt(problem_share(value_SP) * value_SP.mean(0).var(ddof=1) / P)


def answer_error(value_SP: Values) -> float:
    """The standard error of the mean from the noise of single answers: what is left if seeds as such do not matter."""
    S, P = value_SP.shape
    return sqrt(rest_square(value_SP) / (S * P)) if S > 1 and P > 1 else 0.0


def from_draws(mean: float, draws: Values) -> Estimate:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return Estimate(float(mean), float(low), float(high), min(1.0, 2 * (beyond + 1) / (len(draws) + 1)))


def iqm(value_TS: Values) -> float:
    """Interquartile mean over tasks and seeds: the mean of the middle half (arXiv 2108.13264)."""
    return float(stats.trim_mean(value_TS, 0.25, axis=None))


def iqm_interval(value_TS: Values) -> Estimate:
    """IQM over tasks that are fixed and seeds that are not, each task's seeds at the level of two_level_interval.

    Raises:
        ValueError: under FEWEST_SEEDS seeds.
    """
    T, S = value_TS.shape
    if S < FEWEST_SEEDS:
        raise ValueError(f"{S} seeds have no interval to trust")
    rng = np.random.default_rng(0)
    error_T = value_TS.std(axis=1, ddof=1) / np.sqrt(S)
    shift_DT = np.stack([student_draws(S - 1, rng) for _ in range(T)], axis=1) * error_T
    draws = stats.trim_mean((value_TS + shift_DT[:, :, None]).reshape(DRAWS, T * S), 0.25, axis=1)
    return from_draws(iqm(value_TS), draws)
