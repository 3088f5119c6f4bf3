"""The answer of a study in one sentence to quote: who is ahead, by how much, how sure, on how many seeds and problems.

It weighs the tests of the pairs and the one of all objectives together, so that no later sentence takes it back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sspo_cli.metrics import BOUNDS
from sspo_cli.metrics import metric as known_as
from sspo_cli.plural import count
from sspo_cli.study.compare import ALPHA, Comparison
from sspo_cli.study.results import Study
from sspo_cli.study.wording import bare, listed, written_difference

MANY = 3  # more of one kind share the span of their intervals; the table has each


def is_ahead(item: Comparison, study: Study) -> bool:
    return (item.difference > 0) == (study.grid.sign > 0)


def evidence(study: Study, seeds: Sequence[int]) -> str:
    """3 seeds, 128 held-out problems."""
    fewest, most = min(seeds), max(seeds)
    told = count(most, "seed") if fewest == most else f"{fewest} to {count(most, 'seed')}"
    return f"{told}, {count(study.problems, 'held-out problem')}" if study.problems else told


def p_text(p: float) -> str:
    """p < 0.001, p = 0.034, p = 0.41."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def answer(tested: Sequence[Comparison], study: Study) -> str:
    """The verdict on all that was tested against the baseline, at least one."""
    name = known_as(study.grid.metric).label
    told = evidence(study, [len(item.seeds) for item in tested])
    if len(tested) == 1 and tested[0].low == tested[0].high == 0:
        return (
            f"{tested[0].name} and {tested[0].against} end alike on every problem with every seed: there is no"
            f" difference to judge ({told})."
        )
    if len(tested) == 1:
        return f"{of_one(tested[0], study)} ({interval(tested[0], study)}; {told}){disagreement(tested, study)}."
    corrected = f"p of the interval after Holm's correction for {count(len(tested), 'comparison')}"
    return f"{'; '.join(of_each(tested, study))}{disagreement(tested, study)}; {name}, {told}, {corrected}."


def of_one(item: Comparison, study: Study) -> str:
    metric, label = study.grid.metric, known_as(study.grid.metric).label
    size = written_difference(abs(item.difference), metric)
    if item.verdict == "separable":
        return f"{item.name} is {side(item, study)} {item.against} by {size} in {label}"
    return (
        f"{item.name} and {item.against} are not separable in {label}: the difference is"
        f" {written_difference(item.difference, metric, '+')}"
    )


def side(item: Comparison, study: Study) -> str:
    return "ahead of" if is_ahead(item, study) else "behind"


def interval(item: Comparison, study: Study) -> str:
    metric = study.grid.metric
    span = f"{bare(item.low, metric)} to {written_difference(item.high, metric)}"
    return f"95 % interval {span}, interval {p_text(item.interval_p_holm)}"


def of_each(tested: Sequence[Comparison], study: Study) -> list[str]:
    """A clause for all that are ahead, behind, perhaps so, or not separable."""
    groups: dict[str, list[Comparison]] = {"ahead of": [], "behind": [], "perhaps": [], "not separable from": []}
    for item in tested:
        kind = {"separable": side(item, study), "uncorrected_only": "perhaps"}.get(item.verdict, "not separable from")
        groups[kind].append(item)
    same = " at the same setting" if len(study.grid.varied) > 1 else ""
    against = f"{study.grid.baseline}{same}"
    clauses: list[str] = []
    for kind, items in groups.items():
        if not items:
            continue
        alone = len(items) == 1 or (kind != "not separable from" and len(items) <= MANY)
        names = listed([with_interval(item, study) if alone else item.name for item in items])
        verb = "may differ from" if kind == "perhaps" else f"{'is' if len(items) == 1 else 'are'} {kind}"
        clauses.append(f"{names} {verb} {'it' if clauses else against}{'' if alone else within(items, study)}")
    return clauses


def with_interval(item: Comparison, study: Study) -> str:
    """sspo (+2.1 points, 0.3 to 3.9, p = 0.02)"""
    metric = study.grid.metric
    size = written_difference(item.difference, metric, "+")
    span = f"{bare(item.low, metric)} to {bare(item.high, metric)}"
    return f"{item.name} ({size}, 95 % interval {span}, {p_text(item.interval_p_holm)})"


def within(items: Sequence[Comparison], study: Study) -> str:
    """Where the intervals of several lie, and the least of their p."""
    metric = study.grid.metric
    low, high = min(item.low for item in items), max(item.high for item in items)
    span = f"{bare(low, metric)} to {written_difference(high, metric)}"
    return f" (95 % intervals within {span}, smallest {p_text(min(item.interval_p_holm for item in items))})"


def disagreement(tested: Sequence[Comparison], study: Study) -> str:
    """What a permutation test says where the intervals say otherwise: the one of a pair, and that of all together."""
    found = [item for item in tested if item.verdict == "separable"]
    unconfirmed = [item.name for item in found if can_confirm(tested) and item.p_holm >= ALPHA]
    parts = [f"; the permutation test of the seeds does not confirm {listed(unconfirmed)}"] if unconfirmed else []
    p = together_p(study)
    if p is not None and (p < ALPHA) != bool(found):
        told = f"; the permutation test of all {count(len(study.points), 'objective')} together"
        says = "does not confirm a difference" if found else "finds that they differ, but not which of them"
        parts.append(f"{told} {says} ({p_text(p)})")
    return "".join(parts)


def together_p(study: Study) -> float | None:
    """The p that the objectives differ at all; None where other settings vary too, as it would speak of those."""
    return study.any_difference_p if study.grid.varied == ["objective"] else None


def seeds_to_confirm(tested: Sequence[Comparison]) -> int:
    """From so many seeds on the permutation test can fall below ALPHA after Holm's correction."""
    return 1 + math.ceil(math.log2(len(tested) / ALPHA))


def can_confirm(tested: Sequence[Comparison]) -> bool:
    return min(len(item.seeds) for item in tested) >= seeds_to_confirm(tested)


def run_answer(summary: Mapping[str, Any], problems: int) -> list[str]:
    """What one run reached, and what it cannot tell; nothing where it has neither accuracy nor reward.

    summary: the content of summary.json. problems: how many it was evaluated on.
    """
    name = next((name for name in ("eval/accuracy", "reward/mean") if isinstance(summary.get(name), Mapping)), None)
    if name is None:
        return []
    shown = known_as(name)
    first, last = (summary[name][part] for part in ("first", "last"))
    if first is None or last is None:
        return []
    moved = "stayed at" if first == last else f"{'rose' if last > first else 'fell'} from {shown.written(first)} to"
    bounds = [summary.get(f"{name}{end}") for end in BOUNDS]
    ends = [shown.written(bound["last"]) for bound in bounds if isinstance(bound, Mapping)]
    told = [f"95 % interval over problems {' to '.join(ends)}"] if len(ends) == len(BOUNDS) else []
    told += ["1 seed", *([count(problems, "held-out problem")] if name.startswith("eval/") and problems else [])]
    return [
        f"{shown.title} {moved} {shown.written(last)} ({', '.join(told)}).",
        "One run says nothing of other seeds: sspo compare with three seeds or more tells a difference between"
        " objectives from chance.",
    ]
