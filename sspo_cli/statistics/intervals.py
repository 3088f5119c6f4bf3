"""Intervals that cover with few seeds: two levels of chance, seeds and problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
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
    docs/evidence/statistics.md has the measured coverage.

    Args:
        value_SP: one value per seed and problem (a mean over samples). With one column the seeds alone count.

    Raises:
        ValueError: under FEWEST_SEEDS seeds: two that happen to agree would have an interval of no width.
    """
    S, P = value_SP.shape
    if S < FEWEST_SEEDS:
        raise ValueError(f"{S} seeds have no interval to trust")
    mean = value_SP.mean()
    seed_error = value_SP.mean(1).std(ddof=1) / sqrt(S)
    draws = mean + student_draws(S - 1) * seed_error
    if P > 1:
        draws += problem_draws(value_SP)
    return from_draws(mean, draws)


@lru_cache(maxsize=32)
def student_draws(freedom: int) -> Values:
    """DRAWS values of Student's t in random order: its quantiles, so that the heavy tails carry no chance."""
    quantile_D = np.array(stats.t.ppf((np.arange(DRAWS) + 0.5) / DRAWS, freedom))
    return np.random.default_rng(0).permutation(quantile_D)


def problem_draws(value_SP: Values) -> Values:
    """What resampled problems add to the mean, without the part that the seeds' means vary by already."""
    P, mean_P = value_SP.shape[1], value_SP.mean(0)
    shift_D: Values = resamples(P) @ mean_P / P - mean_P.mean()
    return shift_D * sqrt(problem_share(value_SP))


@lru_cache(maxsize=1)
def resamples(problems: int) -> Values:
    """How often each problem is drawn, [DRAWS, P]: the same resamples for every interval over as many problems."""
    rng = np.random.default_rng(0)
    place_DP = rng.integers(problems, size=(DRAWS, problems)) + problems * np.arange(DRAWS)[:, None]
    return np.bincount(place_DP.ravel(), minlength=DRAWS * problems).reshape(DRAWS, problems).astype(np.float64)


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
    """IQM over tasks that are fixed and seeds that are not, by a parametric bootstrap.

    Every run is drawn anew from its task's mean and spread, all of a draw with one factor that makes Student's t out of
    the normal distribution, its degrees of freedom those of the sum of the tasks' variances (Satterthwaite, 1946).

    Raises:
        ValueError: under FEWEST_SEEDS seeds.
    """
    T, S = value_TS.shape
    if S < FEWEST_SEEDS:
        raise ValueError(f"{S} seeds have no interval to trust")
    variance_T = value_TS.var(axis=1, ddof=1)
    freedom = (S - 1) * float(np.square(variance_T.sum()) / np.square(variance_T).sum()) if variance_T.any() else 1.0
    rng = np.random.default_rng(0)
    factor_D = np.sqrt(freedom / rng.chisquare(freedom, size=DRAWS))
    noise_DTS = factor_D[:, None, None] * np.sqrt(variance_T)[:, None] * rng.normal(size=(DRAWS, T, S))
    draws_DTS = value_TS.mean(axis=1, keepdims=True) + noise_DTS
    return from_draws(iqm(value_TS), stats.trim_mean(draws_DTS.reshape(DRAWS, T * S), 0.25, axis=1))
