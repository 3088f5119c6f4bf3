"""Unbiased pass@k, and intervals over the problems of one evaluation."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats takes half a second to import

TAIL = 0.025  # on either side of a 95 % interval
NORMAL = float(special.ndtri(1 - TAIL))
# The larger of two estimates of the spread is too large on average: with all of the second, 20 problems cover 97.6 %.
MODEL_SHARE = 0.75
SMALLEST = 1e-12
RESAMPLES = 2000
Values = NDArray[np.float64]


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that at least one of k samples is correct, unbiased from `correct` of `samples` (arXiv 2107.03374, eq. 1).

    Raises:
        ValueError: if k exceeds the number of samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k={k} is outside 1..{samples}")
    return 1 - comb(samples - correct, k) / comb(samples, k)


def pass_interval(problems_C: NDArray[np.int64], k: int = 1) -> tuple[Values, Values]:
    """95 % interval of pass@k over problems; with k = 1 it is that of the accuracy.

    The problems are drawn from a population, and the samples of one problem may depend on each other in any degree. The
    interval is one of a binomial proportion with the effective number of problems in place of the number of trials, as
    Korn and Graubard do for surveys (Survey Methodology 24, 1998): between n, where every problem is all right or all
    wrong, and about n times the samples, where they are independent. Measured coverage: docs/evidence/statistics.md.

    Args:
        problems_C: how many problems have c = 0..G of G samples correct, [..., G + 1].
        k: how many samples are drawn.

    Returns:
        Low and high ends, [...]: within [0, 1], the mean between them.

    Raises:
        ValueError: if k exceeds the number of samples.
    """
    samples = problems_C.shape[-1] - 1
    value_C = np.array([pass_at_k(samples, correct, k) for correct in range(samples + 1)])
    mean, spread = mean_and_spread(problems_C.astype(np.float64), value_C)
    spread = np.maximum(spread, MODEL_SHARE * expected_spread(problems_C.astype(np.float64), value_C))
    return proportion_interval(mean, effective_size(problems_C.sum(-1), mean, spread))


def mean_and_spread(weight_C: Values, value_C: Values) -> tuple[Values, Values]:
    """Mean of values in [0, 1], and their variance in units of mean (1 - mean), the largest it can be.

    The weights are numbers of problems, or chances. Values that are all the same say nothing of their variance: its
    largest is taken.
    """
    total = weight_C.sum(-1)
    mean = weight_C @ value_C / total
    variance = (weight_C * np.square(value_C - mean[..., None])).sum(-1) / np.maximum(total - 1, 1)
    known = variance > SMALLEST
    return mean, np.where(known, np.minimum(variance / np.where(known, mean * (1 - mean), 1), 1), 1)


def expected_spread(problems_C: Values, value_C: Values) -> Values:
    """The spread of pass@k if chances of success were beta-distributed, with the accuracy's mean and correlation.

    pass@k near 1 depends on problems with very few correct samples. Where none is among those evaluated, the variance
    found is far too small, and this one is not. The correlation within a problem is that of the accuracy by moments.
    """
    samples = problems_C.shape[-1] - 1
    count_C = np.arange(samples + 1)
    accuracy, spread = mean_and_spread(problems_C, count_C / samples)
    correlation = np.clip((samples * spread - 1) / max(samples - 1, 1), 1e-6, 1 - 1e-6)
    accuracy = np.clip(accuracy, 1e-9, 1 - 1e-9)
    total = (1 - correlation) / correlation
    alpha, beta = (accuracy * total)[..., None], ((1 - accuracy) * total)[..., None]
    # Each chance over the one before, for c = 1..G; then the chances themselves.
    before_C = count_C[:-1]
    ratio_C = (samples - before_C) * (before_C + alpha) / (count_C[1:] * (samples - count_C[1:] + beta))
    log_chance_C = np.concatenate([np.zeros_like(alpha), np.log(ratio_C).cumsum(-1)], axis=-1)
    chance_C = special.softmax(log_chance_C, axis=-1)
    return mean_and_spread(chance_C, value_C)[1]


def effective_size(problems: NDArray[np.int64], mean: Values, spread: Values) -> Values:
    """Number of independent right-or-wrong trials that would leave the mean as uncertain as these problems do.

    It is problems / spread, lowered by (normal / Student quantile)^2 because the spread is an estimate (Korn and
    Graubard, 1998), and never less than the number of problems, because the spread is at most 1.

    The degrees of freedom of the spread are n (1 + 2 spread) / (1 - spread) by the delta method, where chances of
    success are beta-distributed around 1/2: without end where problems are all right or all wrong, because their spread
    is 1 whatever the mean. For n stands the effective number of problems that carry the mean, (sum v)^2 / sum v^2
    (Kish, Survey Sampling, 1965), or the same of 1 - v if that is less, minus two: one or two problems that are right
    once say nothing of how much problems differ.
    """
    carrying = problems * np.minimum(mean / (mean + spread * (1 - mean)), (1 - mean) / (1 - mean + spread * mean))
    freedom = (carrying - 2) * (1 + 2 * spread) / np.maximum(1 - spread, SMALLEST)
    student = special.stdtrit(np.maximum(freedom, 0.1), 1 - TAIL)
    size: Values = np.maximum(problems / spread * np.square(NORMAL / student), problems)
    return size


def proportion_interval(mean: Values, size: Values) -> tuple[Values, Values]:
    """Agresti and Coull's interval of a binomial proportion, cut to Clopper and Pearson's exact one where that is less.

    The first (The American Statistician 52, 1998, section 4) covers well everywhere, but near 0 and 1 it is wider than
    the second (Biometrika 26, 1934), which never covers less than it says.

    Args:
        mean: the proportion.
        size: the number of trials, which need not be whole.
    """
    right, wrong = size * mean, size * (1 - mean)
    centre = (right + NORMAL**2 / 2) / (size + NORMAL**2)
    reach = NORMAL * np.sqrt(centre * (1 - centre) / (size + NORMAL**2))
    exact_low = special.betaincinv(np.maximum(right, SMALLEST), wrong + 1, TAIL)
    exact_high = special.betaincinv(right + 1, np.maximum(wrong, SMALLEST), 1 - TAIL)
    low, high = np.maximum(centre - reach, exact_low), np.minimum(centre + reach, exact_high)
    return np.minimum(low, mean), np.maximum(high, mean)


def bootstrap_interval(value_n: Values) -> tuple[float, float]:
    """95 % percentile interval of the mean over problems, from 2,000 resamples with a fixed generator."""
    rng = np.random.default_rng(0)
    means = value_n[rng.integers(len(value_n), size=(RESAMPLES, len(value_n)))].mean(axis=1)
    low, high = np.quantile(means, [TAIL, 1 - TAIL])
    return float(low), float(high)
