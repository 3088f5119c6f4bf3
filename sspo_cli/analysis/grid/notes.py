"""What stands around the tables: the line under the title, what columns mean, how intervals and p are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sspo_cli.analysis.grid.curves import COLLAPSE_SHARE, THRESHOLD_SHARE
from sspo_cli.analysis.grid.metric import written
from sspo_cli.analysis.grid.words import count
from sspo_cli.statistics.intervals import DRAWS

TASKS = (
    "IQM: interquartile mean, the mean of the middle half of all values over datasets and seeds (arXiv 2108.13264)."
    " Its interval takes the datasets as given."
)
Summary = Mapping[str, Any]


def headline(summary: Summary) -> str:
    cells = summary["cells"]
    total, done = sum(cells.values()), cells.get("done", 0)
    noun = "objective" if summary["baseline"] else "point"
    problems = f", {summary['problems']} problems" if summary["problems"] else ""
    better = "higher" if summary["direction"] == "max" else "lower"
    return (
        f"{summary['kind']}: {count(len(summary['points']), noun)} x"
        f" {count(len(summary['axes'].get('seed', [])), 'seed')}{problems}; {summary['metric']}, {better} is better;"
        f" {done} of {count(total, 'cell')} done"
    )


def results(summary: Summary) -> str:
    parts = [f"Mean of {summary['metric']} at the last step over the seeds that are done."]
    if summary["comparisons"]:
        against = summary["baseline"] or summary["best"]
        parts.append(
            f"Differences from {against} are paired by seed and problem. p: permutation of the two within seeds; Holm:"
            " corrected for all of them. Improves: how often a run of the one beats a run of the other."
        )
    return " ".join(parts)


def course(summary: Summary) -> str:
    threshold = summary["threshold"]
    reached = f" ({written(threshold, summary['metric'])})" if threshold is not None else ""
    return (
        "Means over seeds. Area: mean height of the curve. Steps to: first step at or beyond the threshold"
        f"{reached}. Drop: best less last. Entropy and length: last quarter of the steps. Weight var: variance of the"
        " sequence weights within an update. Fell: seeds that lost half of their gain or more."
    )


def contrasts(summary: Summary) -> str:
    against = summary["contrasts"][0]["against"].split(", ")[0]
    return f"Each objective less {against} at the same setting, paired by seed and problem; Holm: over all rows."


def methods(summary: Summary) -> list[str]:
    """One paragraph each, for those who want to check."""
    unit = "problem and seed (a mean over the samples)" if summary["problems"] else "seed"
    found = [
        f"Unit of the statistics: {unit}. Objectives with one seed saw the same training prompts in the same order and"
        " answered the same problems with the same random numbers, so differences are taken within seed and problem.",
        f"95 % interval: a two-level bootstrap with {DRAWS:,} draws. Problems are resampled; the seeds' level is drawn"
        " from Student's t, because three seeds resampled do not reach the tails. It takes seeds to vary normally."
        " Measured coverage: docs/statistics.md.",
        "p: exact permutation. If the two objectives were the same, swapping them within any seed would change nothing;"
        " p is the share of all swaps that give a difference at least as large. With n seeds it cannot fall below"
        " 2 / 2^n. It speaks of new seeds on these problems.",
        "A difference counts as found when the p of its interval, never less than the noise of the answers leaves, is"
        " below 0.05 after Holm's correction.",
        "Seeds needed: for a two-sided paired t-test at 0.05 to find the stated difference four times in five, from the"
        " variation between the seeds seen here.",
        f"Threshold: {THRESHOLD_SHARE:.0%} of the way from the mean start to the best mean end. A seed fell when it"
        f" lost {COLLAPSE_SHARE:.0%} of what it had gained at its best, or more, and more than twice the noise of one"
        " evaluation.",
        "Failed and missing cells are in no mean; they are counted beside it.",
    ]
    return found
