"""Are the statistics of a grid honest? Synthetic experiments whose truth is known, many times over.

    python -m benchmarks.statistics

writes docs/evidence/statistics_proof.md in some minutes: coverage of the intervals, distribution of p under the null,
power of a planted difference. A smaller version of the same is tests/statistics/test_honesty.py.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import stats

from sspo_cli.statistics.intervals import iqm, iqm_interval, rest_square, two_level_interval
from sspo_cli.statistics.power import detectable_difference, seeds_needed
from sspo_cli.statistics.significance import any_difference_p, holm, interval_p, paired_p, smallest_p

REPORT = Path(__file__).parents[1] / "docs" / "evidence" / "statistics_proof.md"
SAMPLES = 4
PROBLEMS = 128
PLAIN_RESAMPLES = 1000
Values = NDArray[np.float64]
Interval = Callable[[Values, np.random.Generator], tuple[float, float]]


@dataclass(frozen=True)
class World:
    """How the outcome of a run on a problem comes about: standard deviations of seed, problem and both together.

    With `binary` they are those of the log-odds of a right answer, and an outcome is the share of SAMPLES right ones.
    """

    name: str
    seed: float
    problem: float
    both: float
    middle: float = 0.0
    binary: bool = False

    @property
    def truth(self) -> float:
        """The mean over all seeds and problems, by Gauss-Hermite quadrature."""
        if not self.binary:
            return self.middle
        node, weight = np.polynomial.hermite_e.hermegauss(80)
        spread = np.sqrt(self.seed**2 + self.problem**2 + self.both**2)
        return float((weight * expit(self.middle + spread * node)).sum() / weight.sum())

    def outcomes(self, seeds: int, problems: int, rng: np.random.Generator) -> Values:
        """One experiment, [S, P]."""
        score_SP = (
            self.middle
            + self.seed * rng.normal(size=(seeds, 1))
            + self.problem * rng.normal(size=(1, problems))
            + self.both * rng.normal(size=(seeds, problems))
        )
        return rng.binomial(SAMPLES, expit(score_SP)) / SAMPLES if self.binary else score_SP


NORMAL = (
    World("normal, seeds alike", 0, 1, 1),
    World("normal, seeds differ a little", 0.1, 0.5, 1),
    World("normal, seeds differ", 0.3, 0.5, 1),
    World("normal, seeds differ most", 1, 0.5, 1),
)
BINARY = (
    World("right or wrong, by chance alone", 0, 0, 0, 0.5, binary=True),
    World("right or wrong, problems differ", 0, 1.5, 0.5, 1.0, binary=True),
    World("right or wrong, seeds differ a little", 0.15, 1.5, 0.5, 1.0, binary=True),
    World("right or wrong, seeds differ", 0.5, 1.5, 0.5, 1.0, binary=True),
    World("right or wrong, nearly solved", 0.4, 1.5, 0.5, 3.0, binary=True),
)


def expit(score: Values) -> Values:
    return 1 / (1 + np.exp(-score))


def ours(value_SP: Values, rng: np.random.Generator) -> tuple[float, float]:
    found = two_level_interval(value_SP)
    return found.low, found.high


def plain(value_SP: Values, rng: np.random.Generator) -> tuple[float, float]:
    """The plain two-level bootstrap: seeds and problems resampled, percentiles of the mean."""
    S, P = value_SP.shape
    seed_DS = rng.multinomial(S, np.full(S, 1 / S), size=PLAIN_RESAMPLES) / S
    problem_DP = rng.multinomial(P, np.full(P, 1 / P), size=PLAIN_RESAMPLES) / P
    low, high = np.quantile(np.einsum("ds,sp,dp->d", seed_DS, value_SP, problem_DP, optimize=True), [0.025, 0.975])
    return float(low), float(high)


def pooled(value_SP: Values, rng: np.random.Generator) -> tuple[float, float]:
    """Every answer taken for an independent one: what a mean and standard error over all rows would say."""
    reach = 1.96 * value_SP.std(ddof=1) / np.sqrt(value_SP.size)
    return float(value_SP.mean() - reach), float(value_SP.mean() + reach)


def satterthwaite(value_SP: Values, rng: np.random.Generator) -> tuple[float, float]:
    """Student's t on the same variance as ours, its degrees of freedom by Satterthwaite's approximation."""
    S, P = value_SP.shape
    seed, problem = P * value_SP.mean(1).var(ddof=1), S * value_SP.mean(0).var(ddof=1)
    rest = rest_square(value_SP)
    own = max(0.0, problem - rest)
    parts = seed**2 / (S - 1) + (problem**2 / (P - 1) + rest**2 / ((S - 1) * (P - 1)) if own else 0.0)
    freedom = (seed + own) ** 2 / parts if parts else 1.0
    reach = stats.t.ppf(0.975, freedom) * np.sqrt((seed + own) / (S * P))
    return float(value_SP.mean() - reach), float(value_SP.mean() + reach)


def coverage(world: World, seeds: int, experiments: int, interval: Interval = ours, problems: int = PROBLEMS) -> float:
    """How often the interval holds the truth."""
    rng = np.random.default_rng(seeds)
    truth = world.truth
    held = 0
    for _ in range(experiments):
        low, high = interval(world.outcomes(seeds, problems, rng), rng)
        held += low <= truth <= high
    return held / experiments


def paired_coverage(seeds: int, experiments: int, own: float, problems: int = PROBLEMS) -> float:
    """Coverage of the difference between two objectives that share seeds, problems and random numbers.

    own: standard deviation of what a seed does to one objective alone, in log-odds.
    """
    rng = np.random.default_rng(seeds)
    shared = World("", 0.4, 1.5, 0.0, 1.0)
    held, total = 0, 0.0
    truths = [World("", np.hypot(0.4, own), 1.5, 0.3, middle, binary=True).truth for middle in (1.0, 1.3)]
    truth = truths[1] - truths[0]
    for _ in range(experiments):
        score_SP = shared.outcomes(seeds, problems, rng)
        # One uniform number per answer, the same under both: common random numbers.
        draw_SPG = rng.random((seeds, problems, SAMPLES))
        value_SP = [
            (
                draw_SPG
                < expit(score_SP + shift + own * rng.normal(size=(seeds, 1)) + 0.3 * rng.normal(size=score_SP.shape))[
                    ..., None
                ]
            ).mean(-1)
            for shift in (0.0, 0.3)
        ]
        found = two_level_interval(value_SP[1] - value_SP[0])
        held += found.low <= truth <= found.high
        total += found.high - found.low
    return held / experiments


def null_p(seeds: int, experiments: int) -> Values:
    """paired_p where both objectives are the same, seeds of any distribution: here a skewed one."""
    rng = np.random.default_rng(seeds)
    draws = rng.exponential(size=(experiments, seeds, 1)) + 0.5 * rng.normal(size=(experiments, seeds, 2))
    return np.array([paired_p(pair[:, 0], pair[:, 1]) for pair in draws])


def null_any_p(objectives: int, seeds: int, experiments: int) -> Values:
    rng = np.random.default_rng(seeds)
    draws = rng.normal(size=(experiments, 1, seeds)) + rng.exponential(size=(experiments, objectives, seeds))
    return np.array([any_difference_p(values) for values in draws])


def found_share(difference: float, sd: float, seeds: int, experiments: int) -> tuple[float, float]:
    """How often a planted difference is found, by the interval and by the permutation p."""
    rng = np.random.default_rng(seeds)
    by_interval = by_permutation = 0
    for _ in range(experiments):
        difference_S = rng.normal(difference, sd, size=seeds)
        by_interval += interval_p(two_level_interval(difference_S[:, None]), difference_S[:, None]) < 0.05
        by_permutation += paired_p(difference_S, np.zeros(seeds)) < 0.05
    return by_interval / experiments, by_permutation / experiments


def false_alarms(comparisons: int, seeds: int, experiments: int, world: World) -> float:
    """How often at least one of several objectives, all the same, is called different after Holm's correction."""
    rng = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(experiments):
        first, *others = (world.outcomes(seeds, PROBLEMS, rng) for _ in range(comparisons + 1))
        p_values = [interval_p(two_level_interval(other - first), other - first) for other in others]
        alarms += min(holm(p_values)) < 0.05
    return alarms / experiments


def iqm_coverage(tasks: int, seeds: int, experiments: int) -> float:
    """Coverage of the IQM's interval: tasks with levels of their own, seeds that vary around them."""
    rng = np.random.default_rng(tasks * seeds)
    level_T = np.linspace(0.2, 0.8, tasks)[:, None]
    truth = iqm(level_T + 0.05 * np.random.default_rng(0).normal(size=(tasks, 200_000)))
    held = 0
    for _ in range(experiments):
        found = iqm_interval(level_T + 0.05 * rng.normal(size=(tasks, seeds)))
        held += found.low <= truth <= found.high
    return held / experiments


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, [":--", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


OTHERS = (plain, pooled, satterthwaite)


def coverage_table(experiments: int) -> str:
    rows = []
    for world in (*NORMAL, *BINARY):
        found = [coverage(world, seeds, experiments) for seeds in (3, 4, 5, 10)]
        others = [coverage(world, seeds, experiments, how) for how in OTHERS for seeds in (3, 5)]
        rows.append([world.name, *map(percent, [*found, *others])])
        print(rows[-1], flush=True)
    heads = ["world", "3 seeds", "4", "5", "10", *(f"{how.__name__}, {seeds}" for how in OTHERS for seeds in (3, 5))]
    return table(heads, rows)


def report(experiments: int) -> str:
    parts = [
        "# Proof of the statistics\n\nMade by `python -m benchmarks.statistics`; the method is in"
        f" [statistics.md](statistics.md). {experiments:,} experiments a figure, {PROBLEMS} problems, {SAMPLES} samples"
        f" of each; Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__},"
        f" {os.cpu_count()} cores.",
        "## Coverage of the 95 % interval of a mean, in %\n\n`plain` is the plain two-level bootstrap (seeds and"
        " problems resampled, percentiles), `pooled` takes all answers for independent,"
        " `satterthwaite` puts the same variance as ours into a t distribution.",
        coverage_table(experiments),
        "## Coverage of the interval of a paired difference, in %\n\nTwo objectives with common seeds, problems and"
        " random numbers. First column: what a seed does to one objective alone, a standard deviation in log-odds.",
        table(
            ["own seed effect", "3 seeds", "5", "10"],
            [[str(own), *(percent(paired_coverage(seeds, experiments, own)) for seeds in (3, 5, 10))]
             for own in (0.0, 0.1, 0.3)],
        ),
        "## Coverage of the interval of the IQM, in %",
        table(
            ["tasks", "3 seeds", "5", "10"],
            [[str(tasks), *(percent(iqm_coverage(tasks, seeds, experiments)) for seeds in (3, 5, 10))]
             for tasks in (2, 4, 8)],
        ),
        "## p under the null\n\nShare of experiments in % with p at or below each level that so many seeds can reach;"
        " exact is the level itself.",
        null_table(experiments),
        "## Power\n\nA planted difference with as many seeds as `seeds_needed` asks for: experiments in % that find it;"
        " 80 was asked.",
        power_table(experiments),
        "## False alarms\n\nFour objectives against a fifth, all the same: experiments in % in which any is called"
        " different after Holm's correction; at most 5 was asked.",
        table(
            ["world", "3 seeds", "5", "10"],
            [[world.name, *(percent(false_alarms(4, seeds, experiments, world)) for seeds in (3, 5, 10))]
             for world in (NORMAL[0], NORMAL[2], BINARY[1], BINARY[3])],
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def null_table(experiments: int) -> str:
    rows = []
    for seeds in (3, 4, 5, 6):
        p = null_p(seeds, experiments)
        levels = [smallest_p(seeds) * step for step in (1, 2)]
        rows.append(
            [
                f"two objectives, {seeds} seeds",
                "; ".join(f"{percent((p <= level + 1e-9).mean())} at {percent(level)}" for level in levels),
            ]
        )
    p = null_p(10, experiments)
    rows.append(
        ["two objectives, 10 seeds, against uniform", f"Kolmogorov-Smirnov p = {stats.kstest(p, 'uniform').pvalue:.2f}"]
    )
    p = null_any_p(5, 3, experiments)
    rows.append(
        [
            "any of five objectives, 3 seeds, against uniform",
            f"Kolmogorov-Smirnov p = {stats.kstest(p, 'uniform').pvalue:.2f}",
        ]
    )
    return table(["", "share"], rows)


def power_table(experiments: int) -> str:
    rows = []
    for ratio in (2.5, 1.5, 1.0, 0.5):
        seeds = seeds_needed(ratio, 1.0)
        by_interval, by_permutation = found_share(ratio, 1.0, seeds, experiments)
        least = detectable_difference(seeds, 1.0)
        rows.append([f"{ratio}", str(seeds), percent(by_interval), percent(by_permutation), f"{least:.2f}"])
    return table(["difference / sd", "seeds needed", "by interval", "by permutation", "detectable with them"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=1000)
    text = report(parser.parse_args().experiments)
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
