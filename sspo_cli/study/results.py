"""What came of a grid, as data: every figure that the screen, the page and summary.json tell."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from sspo_cli.runs import jsonl
from sspo_cli.study.cell import Point
from sspo_cli.study.compare import TASK, Comparison, OffPolicyChange, OverTasks
from sspo_cli.study.course import Figures
from sspo_cli.study.grid import Grid, Run


@dataclass(frozen=True)
class PointResult:
    """One row of the tables: the mean with its interval, and means over the seeds of other figures.

    NaN where there is no value, and for the interval of too few seeds. last: of every seed. reached_threshold,
    collapsed: how many seeds did.
    """

    point: Point
    name: str
    seeds: list[int]
    not_done: list[int]
    mean: float
    low: float
    high: float
    last: dict[str, float | None]
    best: float
    area: float
    drawdown: float
    entropy: float
    weight_variance: float
    effective_ratio: float
    length: float
    tokens: float
    steps_to_threshold: float
    reached_threshold: int
    collapsed: int

    @property
    def known(self) -> bool:
        return not math.isnan(self.mean)


@dataclass(frozen=True)
class Study:
    """A grid with all that may be concluded from it. figures: of every run, in the grid's order.

    worth_seeing: the difference that seeds are asked for; None: of a metric that is no share, the one that was found.
    states: how many cells are in each. problems: how many the statistics see. unequal: what the runs of one seed do
    not share though no axis asks for it.
    """

    grid: Grid
    figures: list[Figures | None]
    worth_seeing: float | None
    best: str | None
    problems: int | None
    threshold: float | None
    points: list[PointResult]
    comparisons: list[Comparison]
    contrasts: list[Comparison]
    off_policy: list[OffPolicyChange]
    over_tasks: list[OverTasks]
    best_command: str | None
    any_difference_p: float | None
    unequal: list[str]
    words: list[str] = field(default_factory=list)

    @property
    def ranked(self) -> list[PointResult]:
        """From best to worst, equal ones in the order of the grid, those without a value last; each dataset by itself,
        as values on different datasets do not compare."""
        datasets = self.grid.axes[TASK] if self.over_datasets else []

        def rank(point: PointResult) -> tuple[int, bool, float]:
            place = datasets.index(point.point[TASK]) if datasets else 0
            return place, not point.known, -self.grid.sign * point.mean if point.known else 0.0

        return sorted(self.points, key=rank)

    @property
    def over_datasets(self) -> bool:
        """Whether its points are of several datasets."""
        return TASK in self.grid.varied

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """The cells that are done and say that something is wrong, each with a line."""
        return [(run.cell.place, line) for run in self.grid.runs if run.counts for line in run.warnings]

    @property
    def failures(self) -> list[Run]:
        return [run for run in self.grid.runs if not run.counts]

    def figures_at(self, point: Point) -> list[Figures]:
        """Of the runs of a point that are done."""
        rows = zip(self.grid.runs, self.figures, strict=True)
        return [figures for run, figures in rows if figures and run.cell.point == point]

    def summary(self) -> dict[str, Any]:
        """The content of summary.json."""
        grid = self.grid
        content = {
            "kind": grid.kind,
            "status": grid.status,
            "metric": grid.metric,
            "direction": grid.direction,
            "worth_seeing": self.worth_seeing,
            "axes": grid.axes,
            "baseline": grid.baseline,
            "best": self.best,
            "allowed": grid.allowed,
            "cells": grid.counts(),
            "problems": self.problems,
            "threshold": self.threshold,
            "points": [asdict(item) for item in self.points],
            "comparisons": [asdict(item) for item in self.comparisons],
            "contrasts": [asdict(item) for item in self.contrasts],
            "off_policy": [asdict(item) for item in self.off_policy],
            "over_tasks": [asdict(item) for item in self.over_tasks],
            "best_command": self.best_command,
            "any_difference_p": self.any_difference_p,
            "unequal": self.unequal,
            "warnings": [{"cell": cell, "warning": line} for cell, line in self.warnings],
            "failures": [{"cell": run.cell.place, "state": run.state, "reason": run.reason} for run in self.failures],
            "words": self.words,
        }
        found: dict[str, Any] = jsonl.without_nan(content)
        return found
