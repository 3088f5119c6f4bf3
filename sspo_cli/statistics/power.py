"""How many seeds a difference takes, and what difference a number of seeds can show."""

from __future__ import annotations

import math

from scipy import optimize, stats

MOST_SEEDS = 10_000
CERTAIN_SHIFT = 1000.0  # beyond it the noncentral t overflows


def seeds_needed(
    difference: float, sd_of_paired_difference: float, power: float = 0.8, alpha: float = 0.05, floor: float = 0.0
) -> int:
    """Fewest seeds with which a two-sided paired t-test finds a true `difference` with probability `power`.

    Args:
        difference: in the metric's unit; its sign does not matter.
        sd_of_paired_difference: standard deviation over seeds of the difference within a seed, in the same unit.
        power: the wanted probability.
        alpha: the level of the test.
        floor: the standard error that more seeds do not lower, that of the evaluation problems.

    Returns:
        At least 2; MOST_SEEDS where that many do not suffice.

    Raises:
        ValueError: if the difference is 0, which no number of seeds can show.
    """
    if difference == 0:
        raise ValueError("no number of seeds shows a difference of 0")
    low, high = 2, MOST_SEEDS
    while low < high:
        middle = (low + high) // 2
        if power_of(abs(difference), sd_of_paired_difference, middle, alpha, floor) >= power:
            high = middle
        else:
            low = middle + 1
    return low


def detectable_difference(
    seeds: int, sd_of_paired_difference: float, power: float = 0.8, alpha: float = 0.05, floor: float = 0.0
) -> float:
    """The true difference that `seeds` seeds show with probability `power`: the inverse of seeds_needed.

    Raises:
        ValueError: under two seeds.
    """
    if seeds < 2:
        raise ValueError("one seed cannot tell chance from difference")
    errors = optimize.brentq(lambda shift: power_of(shift, math.sqrt(seeds), seeds, alpha) - power, 1e-9, CERTAIN_SHIFT)
    return float(errors) * math.hypot(sd_of_paired_difference / math.sqrt(seeds), floor)


def power_of(
    difference: float, sd_of_paired_difference: float, seeds: int, alpha: float = 0.05, floor: float = 0.0
) -> float:
    """Probability that the test finds `difference`, from the noncentral t distribution (Cohen, 1988)."""
    error = math.hypot(sd_of_paired_difference / math.sqrt(seeds), floor)
    if difference > CERTAIN_SHIFT * error:
        return 1.0
    shift = difference / error
    critical = stats.t.ppf(1 - alpha / 2, seeds - 1)
    # The chance of an error of the third kind, finding it on the wrong side, is not counted as power.
    return float(stats.nct.sf(critical, seeds - 1, shift))
