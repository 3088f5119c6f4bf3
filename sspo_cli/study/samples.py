"""The same question under every objective: where they differ, where all are right, where none is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sspo_cli.study.cell import Point
from sspo_cli.study.grid import Grid, Run

MOST_SHOWN = 5
MOST_SIDE_BY_SIDE = 5
Answers = dict[tuple[str, int], dict[str, Any]]  # (problem, sample) -> row of eval.jsonl


@dataclass(frozen=True)
class Case:
    """One problem and sample: the rows of eval.jsonl, first before training, then of every column."""

    prompt: str
    answer: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class SideBySide:
    """Cases in groups by title, over the columns' names; all from runs with one seed."""

    seed: int
    columns: list[str]
    groups: dict[str, list[Case]]


def side_by_side(grid: Grid, best_first: Sequence[Point]) -> SideBySide | None:
    """Cases of the lowest seed that every shown point has done; None where no evaluation is kept."""
    shown = shown_points(grid, best_first)
    if not shown:
        return None
    seeds = set.intersection(*({run.seed for run in grid.done(point) if run.answers} for point in shown))
    if not seeds:
        return None
    seed = min(seeds)
    runs = [next(run for run in grid.done(point) if run.seed == seed) for point in shown]
    before, after = answers(runs[0], last=False), [answers(run, last=True) for run in runs]
    cases = [
        Case(str(row["prompt"]), str(row["answer"]), [row, *(found[key] for found in after)])
        for key, row in before.items()
        if all(key in found for found in after)
    ]
    return SideBySide(seed, [grid.name(point) for point in shown], groups(cases))


def shown_points(grid: Grid, best_first: Sequence[Point]) -> list[Point]:
    """All points that have a run; of many, the best and the last."""
    measured = [point for point in best_first if grid.done(point)]
    if len(measured) <= MOST_SIDE_BY_SIDE:
        return [point for point in grid.points if point in measured]
    return [*measured[: MOST_SIDE_BY_SIDE - 1], measured[-1]]


def answers(run: Run, *, last: bool) -> Answers:
    step = run.answers[-1 if last else 0]["step"]
    return {(row["problem"], row["sample"]): row for row in run.answers if row["step"] == step}


def groups(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """A few cases of each kind, those first whose responses are most unlike each other."""
    found: dict[str, list[Case]] = {}
    for title, kind in (
        ("Most changed: right under some, wrong under others", {True, False}),
        ("Worst: wrong under all", {False}),
        ("Best: right under all", {True}),
    ):
        of_kind = [case for case in cases if {bool(row["correct"]) for row in case.rows[1:]} == kind]
        if of_kind:
            found[title] = pick(of_kind)
    return found


def pick(cases: Sequence[Case]) -> list[Case]:
    """One sample a problem: first those that training turned from wrong to right or back, then the most varied."""
    picked: dict[str, Case] = {}
    for case in sorted(cases, key=unchanged):
        picked.setdefault(case.prompt, case)
    return list(picked.values())[:MOST_SHOWN]


def unchanged(case: Case) -> tuple[int, int, str]:
    """A sort key: small where much has changed."""
    before, *after = case.rows
    turned = sum(row["correct"] != before["correct"] for row in after)
    different = len({row["response"] for row in after})
    return -turned, -different, case.prompt
