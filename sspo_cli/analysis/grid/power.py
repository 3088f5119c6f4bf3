"""How many seeds it takes to see a difference."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats


def seeds_needed(difference: float, sd_of_paired_difference: float, power: float = 0.8, alpha: float = 0.05) -> int:
    """The fewest seeds with which a paired t-test sees `difference` with probability `power` at level `alpha`."""
    effect = abs(difference) / sd_of_paired_difference if sd_of_paired_difference else math.inf
    for seeds in range(2, 10_000):
        critical = stats.t.ppf(1 - alpha / 2, seeds - 1)
        reached = 1.0 if math.isinf(effect) else 1 - stats.nct.cdf(critical, seeds - 1, effect * np.sqrt(seeds))
        if reached >= power:
            return seeds
    return 10_000
