"""Unbiased pass@k and bootstrap intervals over problems."""

from __future__ import annotations

from math import comb

import numpy as np

RESAMPLES = 2000


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Chance that at least one of k samples is correct, unbiased from `correct` of `samples` (arXiv 2107.03374, eq. 1).

    Raises:
        ValueError: if k exceeds the number of samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k={k} is outside 1..{samples}")
    return 1 - comb(samples - correct, k) / comb(samples, k)


def bootstrap_interval(value_n: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of the mean over problems, from 2,000 resamples with a fixed generator."""
    rng = np.random.default_rng(0)
    means = value_n[rng.integers(len(value_n), size=(RESAMPLES, len(value_n)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
