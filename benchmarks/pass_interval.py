"""How often the interval of an accuracy and of pass@k holds the truth: by exact sums, else by simulation.

    python -m benchmarks.pass_interval

writes docs/evidence/interval_proof.md. A smaller version of the same is tests/evaluation/test_pass_interval.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from math import comb
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy import special, stats

from benchmarks.statistics import percent, table
from sspo_cli.statistics.pass_at_k import pass_at_k, pass_interval

REPORT = Path(__file__).parents[1] / "docs" / "evidence" / "interval_proof.md"
PROBLEMS = (20, 30, 50, 100, 200, 500, 1000)
SAMPLES = (2, 4, 8, 16, 32)
CORRELATIONS = (0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9)
END = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04)
LOWER = np.array([*END, *np.linspace(0.05, 0.5, 19)])
COARSE = np.array([0.0005, 0.002, 0.01, 0.03, *np.linspace(0.05, 0.5, 10)])
ALL = np.unique(np.round([*COARSE, *(1 - COARSE)], 6))
FINE = np.unique([*np.geomspace(1e-5, 0.05, 1000), *np.linspace(0.05, 0.5, 1801)])
DRAWS = 20_000
MOST_OUTCOMES = 600_000
NORMAL = 1.959964
Values = NDArray[np.float64]
Counts = NDArray[np.int64]
Interval = Callable[[Counts, int], tuple[Values, Values]]


def wilson(problems_C: Counts, k: int) -> tuple[Values, Values]:
    """Wilson's interval with the problems for trials: whatever the samples say of them."""
    mean, number, _ = mean_and_variance(problems_C, k)
    return wilson_of(mean, number)


def wilson_of_samples(problems_C: Counts, k: int) -> tuple[Values, Values]:
    """Wilson's interval with the samples for trials, as if they were independent."""
    mean, number, _ = mean_and_variance(problems_C, k)
    return wilson_of(mean, number * (problems_C.shape[-1] - 1))


def wilson_of(mean: Values, trials: Counts) -> tuple[Values, Values]:
    centre = (mean + NORMAL**2 / (2 * trials)) / (1 + NORMAL**2 / trials)
    reach = NORMAL * np.sqrt(mean * (1 - mean) / trials + (NORMAL / (2 * trials)) ** 2) / (1 + NORMAL**2 / trials)
    return centre - reach, centre + reach


def clopper_pearson(problems_C: Counts, k: int) -> tuple[Values, Values]:
    """The exact interval of right and wrong problems."""
    mean, number, _ = mean_and_variance(problems_C, k)
    right, wrong = mean * number, (1 - mean) * number
    low = special.betaincinv(np.maximum(right, 1e-12), wrong + 1, 0.025)
    return low, special.betaincinv(right + 1, np.maximum(wrong, 1e-12), 0.975)


def student(problems_C: Counts, k: int) -> tuple[Values, Values]:
    """Student's interval of the mean over problems."""
    mean, number, variance = mean_and_variance(problems_C, k)
    reach = stats.t.ppf(0.975, number - 1) * np.sqrt(variance / number)
    return mean - reach, mean + reach


def bootstrap(problems_C: Counts, k: int) -> tuple[Values, Values]:
    """Percentiles of the mean of resampled problems. Where problems are right or wrong they are the binomial's."""
    mean, number, _ = mean_and_variance(problems_C, k)
    if problems_C.shape[-1] == 2:
        return stats.binom.ppf(0.025, number, mean) / number, stats.binom.ppf(0.975, number, mean) / number
    value_C, rng = values(problems_C.shape[-1] - 1, k), np.random.default_rng(0)
    share_NC = problems_C / number[:, None]
    found = [rng.multinomial(n, share_C, size=500) @ value_C / n for n, share_C in zip(number, share_NC, strict=True)]
    low_N, high_N = np.quantile(np.array(found), [0.025, 0.975], axis=1)
    return low_N, high_N


def mean_and_variance(problems_C: Counts, k: int) -> tuple[Values, Counts, Values]:
    """Of pass@k over problems, with their number between."""
    value_C, number = values(problems_C.shape[-1] - 1, k), problems_C.sum(-1)
    mean = problems_C @ value_C / number
    return mean, number, (problems_C * np.square(value_C - mean[..., None])).sum(-1) / (number - 1)


@cache
def values(samples: int, k: int) -> Values:
    """pass@k of a problem with c = 0..G of G samples correct."""
    return np.array([pass_at_k(samples, correct, k) for correct in range(samples + 1)])


def beta_binomial(p: float, correlation: float, samples: int) -> Values:
    """Chances of c = 0..G correct samples, where chances of success are beta-distributed with mean p.

    Any two samples of a problem correlate by `correlation`: 0 is one chance for all problems, 1 all right or all wrong.
    """
    count = np.arange(samples + 1)
    if correlation == 0:
        return np.asarray(stats.binom.pmf(count, samples, p))
    if correlation == 1:
        return np.where(count == 0, 1 - p, np.where(count == samples, p, 0.0))
    total = (1 - correlation) / correlation
    return np.asarray(stats.betabinom.pmf(count, samples, p * total, (1 - p) * total))


def mixture(chances: Sequence[float], weights: Sequence[float], samples: int) -> Values:
    """Chances of c correct samples, where problems are of several kinds."""
    parts = [w * stats.binom.pmf(np.arange(samples + 1), samples, p) for p, w in zip(chances, weights, strict=True)]
    return np.asarray(np.sum(parts, axis=0))


def logit_normal(spread: float, p: float, samples: int) -> Values:
    """The log-odds of success are normal over problems, with that standard deviation."""
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    weight = weight / weight.sum()
    middle = solve(lambda middle: float(weight @ special.expit(middle + spread * node)), p)
    return mixture(special.expit(middle + spread * node), weight, samples)


def impossible(chance: float, p: float, samples: int) -> Values:
    """Some problems are never solved, the others with this chance."""
    return mixture([0, chance], [1 - p / chance, p / chance], samples)


def solved(share: float, p: float, samples: int) -> Values:
    """This share of the right answers comes from problems that are always solved; the others are all alike."""
    return mixture([1, p * (1 - share) / (1 - share * p)], [share * p, 1 - share * p], samples)


def solve(mean_at: Callable[[float], float], wanted: float) -> float:
    """Where a rising function of log-odds has the wanted value, by bisection."""
    low, high = -45.0, 45.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_at(middle) < wanted else (low, middle)
    return (low + high) / 2


def with_truth(wanted: float, correlation: float, samples: int, k: int) -> Values:
    """Beta-binomial chances whose pass@k is the wanted value."""
    if k == 1:
        return beta_binomial(wanted, correlation, samples)

    def chance_C(log_odds: float) -> Values:
        return beta_binomial(float(special.expit(log_odds)), correlation, samples)

    return chance_C(solve(lambda log_odds: float(chance_C(log_odds) @ values(samples, k)), wanted))


def outcomes(problems: int, kinds: int) -> Counts:
    """Every way to spread the problems over the kinds, [.., kinds]."""
    if kinds == 1:
        return np.array([[problems]])
    rest = [outcomes(problems - first, kinds - 1) for first in range(problems + 1)]
    first = np.repeat(np.arange(problems + 1), [len(part) for part in rest])
    return np.column_stack([first, np.concatenate(rest)])


@dataclass(frozen=True)
class Cover:
    """Coverage and mean width at several true values. exact: by sums over all outcomes, not by simulation."""

    truth: Values
    coverage: Values
    width: Values
    exact: bool = True

    @property
    def lowest(self) -> float:
        return float(self.coverage.min())

    @property
    def lowest_at(self) -> float:
        return float(self.truth[self.coverage.argmin()])

    @property
    def average(self) -> float:
        """Over true values from 0.05 to 0.95, or to 0.5, evenly."""
        return self.over_middle(self.coverage)

    def over_middle(self, figure: Values) -> float:
        """The mean of the figure over true values from 0.05, by trapezoids."""
        inside = (self.truth > 0.0499) & (self.truth < 0.9501)
        truth = self.truth[inside]
        return float(np.trapezoid(figure[inside], truth) / (truth[-1] - truth[0]))


def exact_of_single(problems: int, interval: Interval, p: Values = FINE) -> Cover:
    """One sample a problem: exact sums over the number of right ones."""
    right = np.arange(problems + 1)
    low, high = interval(np.column_stack([problems - right, right]), 1)
    chance = stats.binom.pmf(right, problems, p[:, None])
    return Cover(p, (chance * holds(low, high, p[:, None])).sum(1), chance @ (high - low))


def cover(
    problems: int,
    chances: Sequence[Values],
    k: int,
    draws: int,
    seed: Sequence[int] = (),
    interval: Interval = pass_interval,
) -> Cover:
    """Coverage for problems whose correct samples have these chances, each [G + 1]."""
    samples = len(chances[0]) - 1
    truth = np.array([chance_C @ values(samples, k) for chance_C in chances])
    if comb(problems + samples, samples) <= MOST_OUTCOMES:
        every = outcomes(problems, samples + 1)
        low, high = interval(every, k)
        ways = special.gammaln(problems + 1) - special.gammaln(every + 1).sum(1)
        weight = [np.exp(ways + special.xlogy(every, chance_C).sum(1)) for chance_C in chances]
        covered = [float(w @ holds(low, high, t)) for w, t in zip(weight, truth, strict=True)]
        return Cover(truth, np.array(covered), np.array([float(w @ (high - low)) for w in weight]))
    rng = np.random.default_rng([problems, samples, k, *seed])
    share, width = [], []
    for chance_C, t in zip(chances, truth, strict=True):
        low, high = interval(rng.multinomial(problems, chance_C, size=draws), k)
        share.append(holds(low, high, t).mean())
        width.append((high - low).mean())
    return Cover(truth, np.array(share), np.array(width), exact=False)


def holds(low: Values, high: Values, truth: Values | float) -> NDArray[np.bool_]:
    return (low <= truth + 1e-12) & (truth - 1e-12 <= high)


@dataclass(frozen=True)
class Case:
    problems: int
    samples: int
    k: int
    correlation: float
    draws: int
    interval: Interval = pass_interval

    def run(self) -> Cover:
        grid = LOWER if self.k == 1 else ALL
        chances = [with_truth(t, self.correlation, self.samples, self.k) for t in grid]
        seed = [round(1000 * self.correlation)]
        return cover(self.problems, chances, self.k, self.draws, seed, self.interval)

    def known_width(self) -> Values:
        """The width of the normal interval, were the standard error known."""
        grid = LOWER if self.k == 1 else ALL
        value_C = values(self.samples, self.k)
        chance_TC = np.array([with_truth(t, self.correlation, self.samples, self.k) for t in grid])
        variance = chance_TC @ np.square(value_C) - np.square(chance_TC @ value_C)
        return 2 * NORMAL * np.sqrt(variance / self.problems)


def run(case: Case) -> tuple[Case, Cover]:
    return case, case.run()


def run_all(cases: Sequence[Case]) -> dict[Case, Cover]:
    """The cases on all cores, the longest first."""
    order = sorted(cases, key=lambda case: -case.samples)
    with Pool(os.cpu_count()) as pool:
        return dict(pool.imap_unordered(run, order))


def single_table() -> str:
    rows = []
    for problems in (*PROBLEMS[:4], 128, *PROBLEMS[4:]):
        found = {how: exact_of_single(problems, how) for how in (pass_interval, wilson, clopper_pearson, bootstrap)}
        ours, others = found[pass_interval], list(found.values())[1:]
        none = pass_interval(np.array([problems, 0]), 1)[1]
        rows.append(
            [
                str(problems),
                f"{percent(ours.lowest)} at {ours.lowest_at:.3f}",
                percent(ours.average),
                *(f"{percent(other.lowest)}, {percent(other.average)}" for other in others),
                *(f"{100 * each.over_middle(each.width):.1f}" for each in (ours, *others[:2])),
                f"{100 * none:.1f}",
            ]
        )
        print(rows[-1], flush=True)
    heads = ["problems", "lowest", "average", "Wilson", "Clopper-Pearson", "bootstrap", "width", "Wilson's",
             "Clopper-Pearson's", "none right: 0 to"]  # fmt: skip
    return table(heads, rows)


def accuracy_table(found: dict[Case, Cover]) -> str:
    """One row for every number of problems and samples, over all correlations."""
    rows = []
    for problems in PROBLEMS:
        for samples in SAMPLES:
            here = {case: each for case, each in found.items() if (case.problems, case.samples) == (problems, samples)}
            ratio = [each.over_middle(each.width / case.known_width()) for case, each in here.items()]
            rows.append([str(problems), str(samples), *summary(here), f"{min(ratio):.2f} to {max(ratio):.2f}"])
    return table(["problems", "samples", "lowest", "averages", "how", "width / normal, known error"], rows)


def pass_table(found: dict[Case, Cover]) -> str:
    """One row for every number of problems and k, over all samples and correlations."""
    rows = []
    for problems in PROBLEMS:
        for k in sorted({case.k for case in found}):
            here = {case: each for case, each in found.items() if (case.problems, case.k) == (problems, k)}
            rows.append([str(problems), str(k), ", ".join(map(str, sorted({case.samples for case in here}))),
                         *summary(here)])  # fmt: skip
    return table(["problems", "k", "samples", "lowest", "averages", "how"], rows)


def summary(found: dict[Case, Cover]) -> list[str]:
    """The lowest coverage with its place, the range of the averages, and whether sums are exact."""
    case, least = min(found.items(), key=lambda item: item[1].lowest)
    averages = [each.average for each in found.values()]
    exact = {each.exact for each in found.values()}
    return [
        f"{percent(least.lowest)} at {least.lowest_at:.4g}, correlation {case.correlation:g}",
        f"{percent(min(averages))} to {percent(max(averages))}",
        "exact" if exact == {True} else "simulated" if exact == {False} else "both",
    ]


OTHERS: tuple[Interval, ...] = (wilson_of_samples, student, bootstrap)


def others_table(draws: int) -> str:
    """What other intervals cover of the accuracy, 8 samples a problem."""
    rows = []
    for problems in (30, 200):
        for correlation in (0.0, 0.3, 0.7):
            row = [str(problems), f"{correlation:g}"]
            for how in (pass_interval, *OTHERS):
                few = draws // 10 if how is bootstrap else draws
                found = Case(problems, 8, 1, correlation, few, how).run()
                row.append(f"{percent(found.lowest)}, {percent(found.average)}")
            rows.append(row)
            print(row, flush=True)
    return table(["problems", "correlation", "ours", "Wilson, all samples", "Student", "bootstrap"], rows)


# Name, chances of c correct samples at a true value, and the highest true value.
SHAPES: tuple[tuple[str, Callable[[float, int], Values], float], ...] = (
    ("log-odds normal, sd 1", partial(logit_normal, 1.0), 1.0),
    ("log-odds normal, sd 2", partial(logit_normal, 2.0), 1.0),
    ("log-odds normal, sd 4", partial(logit_normal, 4.0), 1.0),
    ("never, or half of the time", partial(impossible, 0.5), 0.5),
    ("never, or nine times in ten", partial(impossible, 0.9), 0.9),
    ("a tenth of what is right from problems always solved", partial(solved, 0.1), 1.0),
    ("six tenths of what is right from problems always solved", partial(solved, 0.6), 1.0),
)
SIZES = [(problems, samples) for problems in (20, 100, 1000) for samples in (8, 32)]


def shapes_table(draws: int) -> str:
    rows = []
    for place, (name, shape, highest) in enumerate(SHAPES):
        row = [name]
        for problems, samples in SIZES:
            found = cover(problems, [shape(p, samples) for p in ALL if p < highest], 1, draws, [1, place])
            row.append(f"{percent(found.lowest)} at {found.lowest_at:.3g}, {percent(found.average)}")
        rows.append(row)
        print(row, flush=True)
    return table(["difficulty", *(f"{problems} x {samples}" for problems, samples in SIZES)], rows)


def report(draws: int) -> str:
    start = time.perf_counter()
    accuracy = run_all([Case(n, G, 1, r, draws) for n in PROBLEMS for G in SAMPLES for r in CORRELATIONS])
    print(f"accuracy: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)
    # pass@k of k samples is right or wrong: the first table.
    passes = run_all(
        [
            Case(n, G, k, r, draws)
            for n in PROBLEMS
            for G in SAMPLES
            for k in (2, 4, 8, 16)
            if k < G
            for r in CORRELATIONS[::2]
        ]
    )
    print(f"pass@k: {(time.perf_counter() - start) / 60:.1f} minutes", flush=True)
    parts = [
        single_table(), accuracy_table(accuracy), pass_table(passes), others_table(draws), shapes_table(draws),
    ]  # fmt: skip
    minutes = (time.perf_counter() - start) / 60
    return TEXT.format(
        *parts, draws=draws, error=100 * np.sqrt(0.95 * 0.05 / draws), minutes=minutes, cores=os.cpu_count(),
        python=platform.python_version(), numpy=np.__version__, scipy=scipy.__version__,
    )  # fmt: skip


TEXT = """# Proof of the interval of an accuracy and of pass@k

Made by `python -m benchmarks.pass_interval` in {minutes:.0f} minutes on {cores} cores; the method is in
[statistics.md](statistics.md). Python {python}, numpy {numpy}, scipy {scipy}. All figures are coverages or widths of
95 % intervals, in %.

"Lowest" is the lowest coverage at any true value tried; "average" is the mean over true values from 0.05 to 0.95. True
values 0 and 1 are always covered. "Exact" figures are sums over all outcomes. The others are from {draws:,} simulated
evaluations at each true value: the standard error of a coverage is {error:.2f} points, of an average less than half of
that, and the lowest of hundreds is low by two or three standard errors by chance.

## One sample a problem, or problems all right or all wrong

Exact, on a grid of 2,801 values of p; the same from 0.5 to 1 by symmetry. It holds for pass@k of k samples too.
Of others, the lowest coverage and the average. Widths are means over p from 0.05 to 0.95.

{}

## Accuracy with several samples of each problem

Chances of success are beta-distributed over problems, so that two samples of a problem correlate by 0, 0.02, 0.1, 0.3,
0.5, 0.7 or 0.9; 28 true values from 0.0005 to 0.5, the others by symmetry. "Averages" are the lowest and the highest
over the correlations. The last column compares the width with that of a normal interval whose standard error is known,
over true values from 0.05: the price of not knowing it.

{}

## pass@k of more than k samples

The same with correlations 0, 0.1, 0.5 and 0.9, and 27 true values of pass@k from 0.0005 to 0.9995.

{}

## Other intervals

Accuracy from 8 samples of each problem: lowest coverage, average. "Wilson, all samples" ignores that samples share a
problem; "Student" is the interval of the mean over problems; "bootstrap" is that of percentiles over problems.

{}

## Difficulties that are not beta-distributed

Problems x samples; accuracy; lowest coverage with its true value, average. Where a rare kind of problem decides the
mean, and none of that kind is among those evaluated, the problems seen give no hint of it, and no interval that is fit
for like problems can hold the truth: of 20 problems that are never solved or nine times in ten, all are of the second
kind in a third of the evaluations with a true accuracy of 0.85, and look like problems of an accuracy of 0.9.

{}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS)
    text = report(parser.parse_args().draws)
    REPORT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
