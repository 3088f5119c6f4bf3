"""The tables of a study as plain data, with their notes: the terminal, the page and the Markdown show the same ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sspo_cli.plural import count
from sspo_cli.statistics.intervals import DRAWS, FEWEST_SEEDS
from sspo_cli.study.cell import Point, plain, short_names
from sspo_cli.study.compare import Comparison, OverTasks
from sspo_cli.study.course import COLLAPSE_SHARE, THRESHOLD_SHARE, finite_mean
from sspo_cli.study.results import PointResult, Study
from sspo_cli.study.wording import bare, is_share, written


@dataclass(frozen=True)
class Entry:
    """What a table shows, and the value that it is sorted by."""

    text: str
    value: float | str | None = None

    @property
    def sort_key(self) -> str:
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True)
class Table:
    """words: columns of names, aligned to the left; the others hold numbers. note: what the columns mean."""

    columns: list[str]
    rows: list[list[Entry]]
    words: int = 1
    note: str = ""


def headline(study: Study) -> str:
    grid, cells = study.grid, len(study.grid.runs)
    noun = "objective" if grid.baseline else "point"
    problems = f", {study.problems} problems" if study.problems else ""
    better = "higher" if grid.sign > 0 else "lower"
    return (
        f"{grid.kind}: {count(len(study.points), noun)} x {count(len(grid.axes.get('seed', [])), 'seed')}{problems};"
        f" {grid.metric}, {better} is better; {grid.counts().get('done', 0)} of {count(cells, 'cell')} done"
    )


def results_table(study: Study) -> Table:
    """Mean, interval, and the paired difference from the baseline, or the best point."""
    grid, metric = study.grid, study.grid.metric
    against = grid.baseline or ("best" if study.comparisons else None)
    unit = " %" if is_share(metric) else ""
    columns = [*heads(study), "seeds", f"{metric.rpartition('/')[2]}{unit}", span_title(study.points)]
    note = f"Mean of {metric} at the last step over the seeds that are done."
    if against is not None:
        columns += difference_columns(against, study.comparisons)
    if study.comparisons:
        note += f" {difference_note(grid.baseline or str(study.best), study.comparisons)}"
    pairs = {item.name: item for item in study.comparisons}
    rows = []
    for point in study.ranked:
        row = [*names(study, point.point), seeds(point), number(point.mean, metric), span(point, metric)]
        if against is not None and point.name in pairs:
            row += difference_entries(pairs[point.name], metric, study.comparisons)
        elif against is not None:
            rest = len(columns) - len(row) - 1
            row += [Entry("baseline" if grid.baseline else "best", 0.0), *[Entry("")] * rest]
        rows.append(row)
    return Table(columns, rows, len(heads(study)), note)


def contrasts_table(study: Study) -> Table | None:
    """Each objective against the first one at the same setting of the other keys."""
    if not study.contrasts:
        return None
    against = study.contrasts[0].against.split(", ")[0]
    rows = [
        [
            *names(study, item.point),
            Entry(str(len(item.seeds)), len(item.seeds)),
            *difference_entries(item, study.grid.metric, study.contrasts),
        ]
        for item in study.contrasts
    ]
    note = f"Each objective and {against} at the same setting. {difference_note(against, study.contrasts)}"
    return Table([*heads(study), "seeds", *difference_columns(against, study.contrasts)], rows, len(heads(study)), note)


def difference_columns(against: str, items: Sequence[Comparison]) -> list[str]:
    tests = ["p", "corrected p", "probability of improvement"] if any_tested(items) else []
    return [f"difference from {against}", f"{span_title(items)} of the difference", *tests]


def any_tested(items: Sequence[Comparison]) -> bool:
    return any(item.tested for item in items)


def difference_note(against: str, items: Sequence[Comparison]) -> str:
    paired = f"Differences from {against} are paired by seed and problem."
    if not any_tested(items):
        return f"{paired} Intervals and p take {FEWEST_SEEDS} seeds or more."
    return (
        f"{paired} p: permutation test within seeds; with few seeds it cannot be small, so the conclusion uses the p of"
        " the interval (interval_p in summary.json). Corrected p: after Holm's correction for"
        f" {count(len(items), 'comparison')}. Probability of improvement: how often a run of the one beats a run of the"
        " other."
    )


def difference_entries(item: Comparison, metric: str, items: Sequence[Comparison]) -> list[Entry]:
    tests = [p_entry(item.p), p_entry(item.p_holm), digits(item.probability_of_improvement, ".2f")]
    return [number(item.difference, metric, "+"), span(item, metric), *(tests if any_tested(items) else [])]


def tasks_table(study: Study) -> Table | None:
    """The interquartile mean over all datasets and seeds."""
    if not study.over_tasks:
        return None
    metric = study.grid.metric
    rows = [
        [
            Entry(item.name, item.name),
            Entry(str(item.tasks), item.tasks),
            Entry(str(len(item.seeds)), len(item.seeds)),
            number(item.iqm, metric),
            span(item, metric),
        ]
        for item in study.over_tasks
    ]
    note = (
        "Interquartile mean: the mean of the middle half of all values over datasets and seeds (arXiv 2108.13264). Its"
        " interval takes the datasets as given."
    )
    return Table(["setting", "datasets", "seeds", "interquartile mean", span_title(study.over_tasks)], rows, 1, note)


def course_table(study: Study, *, with_minutes: bool = True) -> Table:
    """How each point got there: means over seeds, of what matters most first."""
    metric = study.grid.metric
    threshold = "the threshold" if study.threshold is None else written(study.threshold, metric)
    columns = [
        "mean over all steps",
        f"steps to {threshold}",
        "best",
        "lost after the best",
        "collapsed seeds",
        "entropy",
        "effective update ratio",
        "weight variance",
        "response length",
        "response tokens",
    ]
    rows = [
        [
            *names(study, point.point),
            number(point.area, metric),
            steps(point) if study.threshold is not None else Entry("-"),
            number(point.best, metric),
            number(point.drawdown, metric),
            Entry(str(point.collapsed), point.collapsed) if point.seeds else Entry("-"),
            digits(point.entropy, ".3f"),
            digits(point.effective_ratio, ".3f"),
            digits(point.weight_variance, ".1e"),
            digits(point.length, ".1f"),
            digits(point.tokens, ",.0f"),
            *([minutes(study, point)] if with_minutes else []),
        ]
        for point in study.ranked
    ]
    reached = (
        ""
        if study.threshold is None
        else f" Steps to {threshold}: the first step at or beyond it, {THRESHOLD_SHARE:.0%} of the way from the mean"
        " start to the best mean end."
    )
    note = (
        f"Means over seeds.{reached} Collapsed seeds: lost {COLLAPSE_SHARE:.0%} of their gain or more. Entropy and"
        " length: over the last quarter of the steps. Weight variance: of the sequence weights within an update."
    )
    return Table([*heads(study), *columns, *(["minutes"] if with_minutes else [])], rows, len(heads(study)), note)


def minutes(study: Study, point: PointResult) -> Entry:
    return digits(finite_mean(item.minutes for item in study.figures_at(point.point)), ".1f")


def cells_table(study: Study) -> Table:
    """Every cell with its state."""
    forms = {"steps": ".0f", "last": ".4g", "best": ".4g", "tokens": ",.0f", "minutes": ".1f"}
    rows = [
        [
            Entry(run.cell.place, run.cell.place),
            Entry(run.state, run.state),
            *(digits(getattr(figures, name, None), form) for name, form in forms.items()),
        ]
        for run, figures in zip(study.grid.runs, study.figures, strict=True)
    ]
    return Table(["cell", "state", *forms], rows, words=2)


def methods(study: Study) -> list[str]:
    """How intervals and p are made: one paragraph each, for those who want to check."""
    unit = "problem and seed (a mean over the samples)" if study.problems else "seed"
    kind = "points" if study.grid.baseline is None else "objectives"
    return [
        f"Unit of the statistics: {unit}. Runs of one seed have the same training prompts in the same order and answer"
        " the same problems with the same random numbers, so differences are taken within seed and problem.",
        f"95 % interval: a two-level bootstrap with {DRAWS:,} draws. Problems are resampled; the seeds' level is drawn"
        " from Student's t, because three seeds resampled do not reach the tails. It assumes that seeds vary normally."
        " Measured coverage: docs/evidence/statistics.md.",
        f"p: exact permutation test. If two {kind} were the same, swapping them within any seed would change nothing;"
        " p is the share of all swaps that give a difference at least as large. With n seeds it cannot fall below"
        " 2 / 2^n. It is about new seeds on these problems.",
        f"Two {kind} are separable if the p of the interval is below 0.05 after Holm's correction. This p is never"
        " smaller than the p that the noise of single answers alone gives.",
        "Seeds needed: for a two-sided paired t-test at 0.05 to find the stated difference four times in five, from the"
        " variation between the seeds seen here.",
        f"Threshold: {THRESHOLD_SHARE:.0%} of the way from the mean start to the best mean end. A seed collapsed when"
        f" it lost {COLLAPSE_SHARE:.0%} of what it had gained at its best, or more, and more than twice the noise of"
        " one evaluation.",
        "Means do not include failed and missing cells; the tables give their number.",
    ]


def heads(study: Study) -> list[str]:
    """The keys that tell the points apart, as column titles."""
    return list(short_names(study.grid.varied or ["objective"]).values())


def names(study: Study, point: Point) -> list[Entry]:
    return [Entry(plain(point.get(key)), point.get(key)) for key in study.grid.varied or ["objective"]]


def seeds(point: PointResult) -> Entry:
    done, missing = len(point.seeds), len(point.not_done)
    return Entry(f"{done} of {done + missing}" if missing else str(done), done)


def steps(point: PointResult) -> Entry:
    """Mean step at which the threshold was reached, and by how many seeds where not by all."""
    reached, done = point.reached_threshold, len(point.seeds)
    if not reached:
        return Entry("-" if not done else "never")
    mean = point.steps_to_threshold
    return Entry(f"{mean:.0f}" if reached == done else f"{mean:.0f} ({reached} of {done})", mean)


def number(value: float | None, metric: str, sign: str = "") -> Entry:
    """The value without its unit, which the column's title has; - where there is none."""
    return Entry("-") if value is None or math.isnan(value) else Entry(bare(value, metric, sign), value)


def span(item: PointResult | Comparison | OverTasks, metric: str) -> Entry:
    """The interval, sorted by its width; the values of the seeds where they are too few for one."""
    if math.isnan(item.low):
        return Entry("; ".join(number(value, metric).text for value in item.last.values()) or "-")
    return Entry(f"{bare(item.low, metric)} to {bare(item.high, metric)}", item.high - item.low)


def span_title(items: Sequence[PointResult | Comparison | OverTasks]) -> str:
    """What span shows of these."""
    kinds = {"each seed" if math.isnan(item.low) else "95 % interval" for item in items if item.last}
    return " or ".join(sorted(kinds)) or "95 % interval"


def digits(value: float | None, form: str) -> Entry:
    return Entry("-") if value is None or math.isnan(value) else Entry(format(value, f"z{form}"), value)


def p_entry(p: float) -> Entry:
    if math.isnan(p):
        return Entry("-")
    return Entry("< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}", p)
