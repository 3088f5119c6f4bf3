"""What may be concluded and what may not, in sentences: the first one is the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sspo_cli.analysis.grid.metric import is_share, written, written_difference, written_range
from sspo_cli.statistics.intervals import FEWEST_SEEDS
from sspo_cli.statistics.power import MOST_SEEDS, detectable_difference, seeds_needed
from sspo_cli.statistics.significance import smallest_p

ALPHA = 0.05
MANY = 3
Summary = Mapping[str, Any]
Item = Mapping[str, Any]


def conclusions(summary: Summary) -> list[str]:
    """The sentences under the table."""
    measured = [point for point in summary["points"] if point["mean"] is not None]
    if not measured:
        return ["Nothing can be concluded: no cell is done.", *about_cells(summary)]
    if summary["baseline"] is None and summary["best"] is None:
        mean = written(measured[0]["mean"], summary["metric"])
        answer = [f"{measured[0]['name']} reaches {mean}; there is nothing to compare it with."]
    elif summary["baseline"] is None:
        answer = about_best(summary, measured)
    else:
        answer = about_baseline(summary)
    return [
        *answer,
        *about_cells(summary),
        *about_warnings(summary),
        *about_collapse(measured),
        *about_starts(summary),
        *about_allowed(summary),
    ]


def about_baseline(summary: Summary) -> list[str]:
    """The verdict on every objective, those that can be told apart first."""
    known = [item for item in summary["comparisons"] if item["difference"] is not None]
    if not known:
        return [f"Nothing can be concluded: no seed has both {summary['baseline']} and another objective done."]
    tested = [item for item in known if item["doubt"] is not None]
    order = {"told": 0, "alone": 1, "open": 2}
    tested.sort(key=lambda item: order[outcome(item)])
    return [
        *about_all(tested, summary),
        *(verdict(item, summary, len(tested)) for item in tested),
        *about_few_seeds([item for item in known if item["doubt"] is None], summary),
        *about_permutation(tested),
        *about_any_difference(summary),
    ]


def about_all(tested: Sequence[Item], summary: Summary) -> list[str]:
    """The whole answer in one sentence, where there are several verdicts."""
    if len(tested) < 2:
        return []
    told = [item for item in tested if outcome(item) == "told"]
    ahead = [item["name"] for item in told if is_ahead(item, summary)]
    behind = [item["name"] for item in told if not is_ahead(item, summary)]
    rest = [item["name"] for item in tested if outcome(item) != "told"]
    against = summary["baseline"]
    parts = [f"{listed(ahead)} {verb(ahead)} ahead of {against}"] if ahead else []
    parts += [f"{listed(behind)} {verb(behind)} behind {'it' if ahead else against}"] if behind else []
    parts += [f"{listed(rest)} {verb(rest)} not separable from {'it' if parts else against}"] if rest else []
    return [f"{'; '.join(parts)}."]


def is_ahead(item: Item, summary: Summary) -> bool:
    return bool((item["difference"] > 0) == (summary["direction"] == "max"))


def verb(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def outcome(item: Item) -> str:
    """told: separable after Holm's correction; alone: only before it; open: not separable."""
    if item["doubt_holm"] < ALPHA:
        return "told"
    return "alone" if item["doubt"] < ALPHA else "open"


def verdict(item: Item, summary: Summary, comparisons: int) -> str:
    metric = summary["metric"]
    name, against, size = item["name"], item["against"], written_difference(abs(item["difference"]), metric)
    interval = f"{bare(item['low'], metric)} to {written_difference(item['high'], metric)}"
    side = "ahead of" if is_ahead(item, summary) else "behind"
    seeds = seeds_sentence(item, metric, summary["worth_seeing"])
    corrected = f"Holm's correction for {comparisons} comparisons" if comparisons > 1 else ""
    if outcome(item) == "told":
        holds = f"; holds after {corrected}" if corrected else ""
        return f"{name} is {side} {against} by {size} (95 % interval {interval}{holds}).{about_luck(item, metric)}"
    if outcome(item) == "alone":
        return (
            f"{name} may be {side} {against}, by {size} (95 % interval {interval}), but not after {corrected}: {seeds}."
        )
    if item["low"] == item["high"] == 0:
        return f"{name} and {against} end alike on every problem with every seed: there is no difference to judge."
    apart = item["low"] > 0 or item["high"] < 0
    span = f"from {interval}{', yet the noise of single answers reaches from there to 0' if apart else ''}"
    return (
        f"{name} and {against} are not separable with {count(len(item['seeds']), 'seed')}: the difference may lie"
        f" anywhere {span}; {seeds}."
    )


def about_luck(item: Item, metric: str) -> str:
    """Seeds that agree more closely than their answers' noise allows have a narrow interval by luck."""
    error = 1.96 * math.hypot(item["answer_error"], item["problem_error"])
    if error <= (item["high"] - item["low"]) / 2:
        return ""
    return (
        " The seeds agree more closely than the noise of single answers lets them, by luck: give or take"
        f" {written_difference(error, metric)} is nearer the truth."
    )


def seeds_sentence(item: Item, metric: str, worth_seeing: float | None) -> str:
    """How many seeds would show a difference worth seeing; where nobody says what that is, the one that was found."""
    worth = worth_seeing or abs(item["difference"])
    have = len(item["seeds"])
    deviation = max(item["sd"], item["answer_error"] * math.sqrt(have))
    if not worth or not deviation:
        return "these runs do not say how many would be needed"
    needed = seeds_needed(worth, deviation, floor=item["problem_error"])
    size = written_difference(worth, metric).replace(".0 points", " points")
    if needed >= MOST_SEEDS:
        return f"no number of seeds shows {size} on so few problems, so raise eval.problems"
    if needed <= have:
        return f"{count(have, 'seed')} show {size} four times in five, so it is probably smaller"
    seen = written_difference(detectable_difference(have, deviation, floor=item["problem_error"]), metric)
    return f"about {needed} seeds would be needed to see {size} ({have} see {seen} or more)"


def about_few_seeds(untested: Sequence[Item], summary: Summary) -> list[str]:
    if not untested:
        return []
    metric, fewest = summary["metric"], min(len(item["seeds"]) for item in untested)
    differences = listed([f"{item['name']} {written_difference(item['difference'], metric, '+')}" for item in untested])
    return [
        f"No verdict with {count(fewest, 'seed')}: against {summary['baseline']}, {differences}."
        f" {FEWEST_SEEDS} seeds are the fewest that can tell a difference from chance (seed=0,1,2)."
    ]


def about_permutation(tested: Sequence[Item]) -> list[str]:
    """What the exact test adds, or why it cannot."""
    if not tested:
        return []
    seeds = min(len(item["seeds"]) for item in tested)
    needed = 1 + math.ceil(math.log2(len(tested) / ALPHA))
    if seeds < needed:
        confirm = f"{len(tested)} comparisons" if len(tested) > 1 else "a difference"
        return [
            "The intervals take seeds to vary normally. The permutation p takes nothing for granted, but with"
            f" {count(seeds, 'seed')} it cannot fall below {smallest_p(seeds):.2g}; from {needed} seeds on it can"
            f" confirm {confirm}."
        ]
    unconfirmed = [item["name"] for item in tested if outcome(item) == "told" and item["p_holm"] >= ALPHA]
    if unconfirmed:
        return [f"The permutation test, which takes nothing for granted, does not confirm {listed(unconfirmed)}."]
    return []


def about_any_difference(summary: Summary) -> list[str]:
    p, objectives = summary["any_difference_p"], len(summary["points"])
    if p is None:
        return []
    test = f"(permutation of all {objectives} within seeds, p = {p:.2g})"
    return [f"The objectives are not all alike {test}." if p < ALPHA else f"They may all be alike {test}."]


def about_best(summary: Summary, measured: Sequence[Item]) -> list[str]:
    """The best point, what can be told from it, and why its own figure flatters."""
    metric = summary["metric"]
    best = next(point for point in measured if point["name"] == summary["best"])
    if all(point["mean"] == best["mean"] for point in measured):
        return [f"All {len(measured)} points end at the same {metric}, {written(best['mean'], metric)}."]
    interval = "" if best["low"] is None else f", 95 % interval {written_range(best['low'], best['high'], metric)}"
    seeds = count(len(best["seeds"]), "seed")
    return [
        *about_study(summary),
        f"Best of {count(len(measured), 'point')}: {best['name']} with {metric} {written(best['mean'], metric)}"
        f" (mean of {seeds}{interval}).",
        *about_rest(summary),
        *about_contrasts(summary),
        "The best was chosen on the very runs that measured it, so its figure flatters: repeat it with new seeds"
        " before quoting it.",
    ]


def about_study(summary: Summary) -> list[str]:
    """Of an off-policy study: what each objective loses from the nearest to the farthest place, the steadiest first."""
    sign = 1 if summary["direction"] == "max" else -1
    sentences = []
    for axis, words in (("updates", "updates per rollout"), ("staleness", "rollouts between sampling and learning")):
        known = [item for item in summary["off_policy"] if item["axis"] == axis and item["difference"] is not None]
        known.sort(key=lambda item: -sign * item["difference"])
        if known:
            ends = f"From {known[0]['from']} to {known[0]['to']} {words}"
            moved = listed([f"{item['objective']} by {moved_by(item, summary['metric'])}" for item in known])
            sentences.append(f"{ends}, {summary['metric']} changes: {moved}.")
    return sentences


def moved_by(item: Item, metric: str) -> str:
    interval = "" if item["low"] is None else f" ({bare(item['low'], metric)} to {bare(item['high'], metric)})"
    return f"{written_difference(item['difference'], metric, '+')}{interval}"


def about_rest(summary: Summary) -> list[str]:
    """How many of the other points are told apart from the best."""
    tested = [item for item in summary["comparisons"] if item["doubt"] is not None]
    if not tested:
        return [f"Under {FEWEST_SEEDS} seeds nothing tells the points apart; the order may be chance."]
    corrected = f", after Holm's correction for {len(tested)} comparisons" if len(tested) > 1 else ""
    return [f"Of {count(len(tested), 'other')}{corrected}: {'; '.join(sides(tested, summary))}."]


def sides(tested: Sequence[Item], summary: Summary) -> list[str]:
    """How many are ahead, behind, either by the interval alone, or not separable, and which if they are few."""
    found: dict[str, list[str]] = {}
    for place, words in (("told", ""), ("alone", " by the interval alone")):
        for item in tested:
            if outcome(item) == place:
                side = "ahead" if is_ahead(item, summary) else "behind"
                found.setdefault(side + words, []).append(item["name"])
    still_open = sum(outcome(item) == "open" for item in tested)
    parts = [f"{some(names)} {side}" for side, names in found.items()]
    return parts + ([f"{still_open} not separable"] if still_open else [])


def about_contrasts(summary: Summary) -> list[str]:
    """At which settings an objective is told apart from the first one at the same setting."""
    tested = [item for item in summary["contrasts"] if item["doubt"] is not None]
    if not tested:
        return []
    against, pairs = tested[0]["against"].split(", ")[0], count(len(tested), "pair")
    return [
        f"Each objective against {against} at the same setting, {pairs} with a correction of their own:"
        f" {'; '.join(sides(tested, summary))}."
    ]


def some(names: Sequence[str]) -> str:
    """How many, and which if they are few."""
    return f"{len(names)} ({'; '.join(names)})" if len(names) <= MANY else str(len(names))


def about_cells(summary: Summary) -> list[str]:
    """Failed and missing cells, and what they do to the means."""
    cells = summary["cells"]
    missing = [f"{number} {state}" for state, number in cells.items() if state != "done"]
    if not missing:
        return []
    return [
        f"Of {count(sum(cells.values()), 'cell')}, {listed(missing)}: means are over the seeds that are done, which"
        " flatters a point whose seeds fail."
    ]


def about_warnings(summary: Summary) -> list[str]:
    """What cells that are done warn of, such as a run that could not learn: the first cell speaks for all."""
    found = summary["warnings"]
    if not found:
        return []
    cells = len({item["cell"] for item in found})
    first = found[0]
    return [
        f"{count(cells, 'cell')} of {summary['cells']['done']} {'warns' if cells == 1 else 'warn'}; {first['cell']}:"
        f" {first['warning']}."
    ]


def about_collapse(measured: Sequence[Item]) -> list[str]:
    fallen = [
        f"{point['name']} ({point['collapsed']} of {len(point['seeds'])})" for point in measured if point["collapsed"]
    ]
    return [f"Seeds that lost half of what they had gained, or more: {listed(fallen)}."] if fallen else []


def about_starts(summary: Summary) -> list[str]:
    """Cells of one seed that did not start alike: no compare lets them, a report of any runs does."""
    if not summary["unequal"]:
        return []
    return [f"Within a seed the runs do not share the {listed(summary['unequal'])}: differences may come from there."]


def about_allowed(summary: Summary) -> list[str]:
    if not summary["allowed"]:
        return []
    return [f"The cells were allowed to differ in {listed(summary['allowed'])}: differences may come from there."]


def bare(value: float, metric: str) -> str:
    """A value without its unit, before one that has it."""
    return f"{100 * value:.1f}" if is_share(metric) else f"{value:.4g}"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
