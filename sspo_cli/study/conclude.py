"""What may be concluded and what may not, in sentences: the first one is the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sspo_cli.metrics import metric as known_as
from sspo_cli.plural import count
from sspo_cli.statistics.intervals import FEWEST_SEEDS
from sspo_cli.statistics.power import MOST_SEEDS, detectable_difference
from sspo_cli.statistics.significance import smallest_p
from sspo_cli.study.compare import ALPHA, TASK, Comparison, OffPolicyChange
from sspo_cli.study.results import PointResult, Study
from sspo_cli.study.verdict import (
    answer,
    can_confirm,
    evidence,
    interval,
    is_ahead,
    p_text,
    seeds_to_confirm,
    together_p,
)
from sspo_cli.study.wording import bare, listed, written, written_difference, written_range

MANY = 3
AXES = {"updates": "updates per rollout", "staleness": "rollouts between sampling and learning"}


def conclusions(study: Study) -> list[str]:
    """The sentences under the table."""
    measured = [point for point in study.points if point.known]
    if not measured:
        return ["Nothing can be concluded: no cell is done.", *about_cells(study)]
    if study.over_datasets and study.grid.baseline is None:
        answer = about_datasets(study)
    elif study.grid.baseline is None and study.best is None:
        mean = written(measured[0].mean, study.grid.metric)
        answer = [f"{measured[0].name} reaches {mean}; there is nothing to compare it with."]
    elif study.grid.baseline is None:
        answer = about_best(study, measured)
    else:
        answer = about_baseline(study)
    return [
        *answer,
        *about_cells(study),
        *about_warnings(study),
        *about_collapse(measured),
        *about_starts(study),
        *about_allowed(study),
    ]


def about_baseline(study: Study) -> list[str]:
    """The answer, then what it rests on and what would settle the rest."""
    known = [item for item in study.comparisons if item.known]
    if not known:
        return [f"Nothing can be concluded: no seed has both {study.grid.baseline} and another objective done."]
    tested = [item for item in known if item.tested]
    return [
        *([answer(tested, study)] if tested else []),
        *about_pairs(tested, study),
        *about_few_seeds([item for item in known if not item.tested], study),
        *about_permutation(tested),
        *about_any_difference(study),
    ]


def about_pairs(tested: Sequence[Comparison], study: Study) -> list[str]:
    """What the answer leaves out of each comparison; one sentence for all of which the same is true."""
    found: dict[str, list[Comparison]] = {}
    for item in tested:
        for told in about_pair(item, study):
            found.setdefault(told, []).append(item)
    return [f"{listed([item.name for item in items])} against {items[0].against.split(', ')[0]}: {told}"
            for told, items in found.items()]  # fmt: skip


def about_pair(item: Comparison, study: Study) -> list[str]:
    """Of one comparison: seeds that agree by luck, or how many would be needed."""
    metric = study.grid.metric
    if item.low == item.high == 0:
        return []
    if item.verdict == "separable":
        return about_luck(item, metric)
    apart = item.verdict == "not_separable" and (item.low > 0 or item.high < 0)
    noise = "the noise of single answers alone can explain the difference; " if apart else ""
    return [f"{noise}{seeds_sentence(item, metric, study.worth_seeing)}."]


def about_luck(item: Comparison, metric: str) -> list[str]:
    """Seeds that agree more closely than the noise of answers explains have a narrow interval by chance."""
    error = 1.96 * math.hypot(item.answer_error, item.problem_error)
    if error <= (item.high - item.low) / 2:
        return []
    return [
        "the seeds agree more closely than the noise of single answers explains, by chance: plus or minus"
        f" {written_difference(error, metric)} is more realistic."
    ]


def seeds_sentence(item: Comparison, metric: str, worth_seeing: float | None) -> str:
    """How many seeds would show a difference worth seeing; by default the difference that was found."""
    worth = worth_seeing or abs(item.difference)
    have, needed = len(item.seeds), item.seeds_to_see(worth)
    if needed is None:
        return "these runs do not say how many would be needed"
    size = written_difference(worth, metric).replace(".0 points", " points")
    if needed >= MOST_SEEDS:
        return f"no number of seeds shows {size} on so few problems, so raise eval.problems"
    if needed <= have:
        return f"{count(have, 'seed')} show {size} four times in five, so it is probably smaller"
    seen = written_difference(detectable_difference(have, item.deviation, floor=item.problem_error), metric)
    return f"about {needed} seeds would be needed to see {size} ({have} see {seen} or more)"


def about_few_seeds(untested: Sequence[Comparison], study: Study) -> list[str]:
    if not untested:
        return []
    fewest, metric = min(len(item.seeds) for item in untested), study.grid.metric
    problems = f" ({count(study.problems, 'held-out problem')})" if study.problems else ""
    differences = listed([f"{written_difference(item.difference, metric, '+')} for {item.name}" for item in untested])
    return [
        f"No verdict with {count(fewest, 'seed')}: the difference from {study.grid.baseline} is {differences}"
        f"{problems}. {FEWEST_SEEDS} seeds are the fewest that can tell a difference from chance (seed=0,1,2)."
    ]


def about_permutation(tested: Sequence[Comparison]) -> list[str]:
    """Why the permutation test of a pair cannot tell, where the seeds are too few for it."""
    if not tested or can_confirm(tested):
        return []
    seeds = min(len(item.seeds) for item in tested)
    confirm = f"{len(tested)} comparisons" if len(tested) > 1 else "a difference"
    return [
        "The intervals assume that seeds vary normally. The permutation p assumes nothing, but with"
        f" {count(seeds, 'seed')} it cannot fall below {smallest_p(seeds):.2g}; from {seeds_to_confirm(tested)} seeds"
        f" on it can confirm {confirm}."
    ]


def about_any_difference(study: Study) -> list[str]:
    """The test of all objectives together, where it says what the answer says; else the answer tells it."""
    p, separable = together_p(study), any(item.verdict == "separable" for item in study.comparisons)
    if p is None or (p < ALPHA) != separable:
        return []
    says = "confirms that they differ" if separable else "finds no difference"
    return [f"The permutation test of all {count(len(study.points), 'objective')} together {says} ({p_text(p)})."]


def about_best(study: Study, measured: Sequence[PointResult]) -> list[str]:
    """The best point, what is separable from it, and why its own value is too high."""
    metric = study.grid.metric
    best = next(point for point in measured if point.name == study.best)
    seeds, label = evidence(study, [len(best.seeds)]), known_as(metric).label
    if len(measured) > 1 and all(point.mean == best.mean for point in measured):
        points = "Both points" if len(measured) == 2 else f"All {len(measured)} points"
        return [f"{points} end at the same {label}, {written(best.mean, metric)} ({seeds}): none of them is the best."]
    span = "" if math.isnan(best.low) else f"95 % interval {written_range(best.low, best.high, metric)}; "
    return [
        *about_off_policy(study),
        f"Best of {count(len(measured), 'point')}: {best.name} with {label} {written(best.mean, metric)}"
        f" ({span}{seeds}){about_next(study)}. The same runs chose the best point and measured it, so its value is too"
        " good on average: repeat it with new seeds before quoting it.",
        *about_rest(study),
        *about_contrasts(study),
    ]


def about_next(study: Study) -> str:
    """How far the second best point is from the best one, to append to the sentence about the best."""
    ranked = [point for point in study.ranked if point.known and point.name != study.best]
    item = next((item for item in study.comparisons if ranked and item.name == ranked[0].name), None)
    if item is None or not item.known:
        return ""
    distance = written_difference(item.difference, study.grid.metric, "+")
    if not item.tested:
        return f"; the next one, {item.name}, differs from it by {distance}, without a verdict"
    how = {"separable": "is separable from it", "uncorrected_only": "may differ from it"}
    told = how.get(item.verdict, "is not separable from it")
    return f"; the next one, {item.name}, {told}: the difference is {distance} ({interval(item, study)})"


def about_datasets(study: Study) -> list[str]:
    """The best point on each dataset: values on different datasets do not compare."""
    metric = study.grid.metric
    best: dict[str, str] = {}
    for point in (point for point in study.ranked if point.known):
        rest = study.grid.name({key: value for key, value in point.point.items() if key != TASK})
        value = written(point.mean, metric)
        best.setdefault(str(point.point[TASK]), f"{rest} with {value}" if rest else value)
    found = [f"{name}: {told}" for name, told in best.items()]
    return [
        f"Values of {known_as(metric).label} on different datasets do not compare, so each dataset is ranked by itself;"
        f" best on {'; on '.join(found)}.",
        *about_contrasts(study),
    ]


def about_off_policy(study: Study) -> list[str]:
    """What each objective loses from the nearest to the farthest place, the steadiest first."""
    sentences = []
    for axis, words in AXES.items():
        known = [item for item in study.off_policy if item.axis == axis and item.known]
        known.sort(key=lambda item: -study.grid.sign * item.difference)
        if known:
            ends = f"From {known[0].start} to {known[0].end} {words}"
            moved = listed([f"{item.objective} by {moved_by(item, study.grid.metric)}" for item in known])
            sentences.append(f"{ends}, {known_as(study.grid.metric).label} changes: {moved}.")
    return sentences


def moved_by(item: OffPolicyChange, metric: str) -> str:
    interval = f" ({bare(item.low, metric)} to {bare(item.high, metric)})" if item.tested else ""
    return f"{written_difference(item.difference, metric, '+')}{interval}"


def about_rest(study: Study) -> list[str]:
    """How many of the other points are separable from the best."""
    tested = [item for item in study.comparisons if item.tested]
    if not tested:
        return [f"With fewer than {FEWEST_SEEDS} seeds the points are not separable; their order may be chance."]
    corrected = f", after Holm's correction for {len(tested)} comparisons" if len(tested) > 1 else ""
    return [f"Of {count(len(tested), 'other')}{corrected}: {'; '.join(sides(tested, study))}."]


def sides(tested: Sequence[Comparison], study: Study) -> list[str]:
    """How many are ahead, behind, either by the interval alone, or not separable, and which if they are few."""
    found: dict[str, list[str]] = {}
    for kind, words in (("separable", ""), ("uncorrected_only", " by the interval alone")):
        for item in tested:
            if item.verdict == kind:
                side = "ahead" if is_ahead(item, study) else "behind"
                found.setdefault(side + words, []).append(item.name)
    rest = sum(item.verdict == "not_separable" for item in tested)
    parts = [f"{some(names)} {side}" for side, names in found.items()]
    return parts + ([f"{rest} not separable"] if rest else [])


def about_contrasts(study: Study) -> list[str]:
    """At which settings an objective is separable from the first one at the same setting."""
    tested = [item for item in study.contrasts if item.tested]
    if not tested:
        return []
    against, pairs = tested[0].against.split(", ")[0], count(len(tested), "pair")
    return [
        f"Each objective against {against} at the same setting, {pairs} with a correction of their own:"
        f" {'; '.join(sides(tested, study))}."
    ]


def some(names: Sequence[str]) -> str:
    """How many, and which if they are few."""
    return f"{len(names)} ({'; '.join(names)})" if len(names) <= MANY else str(len(names))


def about_cells(study: Study) -> list[str]:
    """Failed and missing cells, and what they do to the means."""
    missing = [f"{number} {state}" for state, number in study.grid.counts().items() if state != "done"]
    if not missing:
        return []
    return [
        f"Of {count(len(study.grid.runs), 'cell')}, {listed(missing)}: means are over the seeds that are done, which"
        " favours a point whose seeds fail."
    ]


def about_warnings(study: Study) -> list[str]:
    """How many done cells have warnings, such as a run that could not learn, and the first warning."""
    if not study.warnings:
        return []
    cells = len({cell for cell, _ in study.warnings})
    first, warning = study.warnings[0]
    done = study.grid.counts()["done"]
    return [f"{count(cells, 'cell')} of {done} {'warns' if cells == 1 else 'warn'}; {first}: {warning}."]


def about_collapse(measured: Sequence[PointResult]) -> list[str]:
    fallen = [f"{point.name} ({point.collapsed} of {len(point.seeds)})" for point in measured if point.collapsed]
    return [f"Seeds that lost half of what they had gained, or more: {listed(fallen)}."] if fallen else []


def about_starts(study: Study) -> list[str]:
    """Cells of one seed that did not start alike: no compare lets them, a report of any runs does."""
    if not study.unequal:
        return []
    return [f"Runs of one seed do not share the {listed(study.unequal)}, which may explain differences."]


def about_allowed(study: Study) -> list[str]:
    allowed = study.grid.allowed
    if not allowed:
        return []
    return [f"The cells were allowed to differ in {listed(allowed)}, which may explain differences."]
