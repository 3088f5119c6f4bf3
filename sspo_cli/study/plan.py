"""A user's words -> a plan: axes, the one resolved configuration and the folder of every cell; or every problem."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sspo_cli.config import paths
from sspo_cli.config.compose import load_config, now, to_yaml
from sspo_cli.config.describe import notes
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import CompareConfig, GridConfig, SweepConfig, SweepSection, TrainConfig
from sspo_cli.config.wording import unknown_choice
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import write_request
from sspo_cli.runs.text import replace_text
from sspo_cli.study import store
from sspo_cli.study.axes import Axis, Kind, allow_problems, axis_problems, complete, problems_of, sort_words
from sspo_cli.study.cell import PlannedCell, point_name, varied
from sspo_cli.study.fairness import unfair_settings
from sspo_cli.study.launcher import Launch, Launcher, read_hydra
from sspo_cli.study.settings import identity, settings_of

SCHEMAS: dict[Kind, type[CompareConfig] | type[SweepConfig]] = {"compare": CompareConfig, "sweep": SweepConfig}


@dataclass(frozen=True)
class PlannedPoint:
    """One value of every axis but seed, as words and by key, and what they resolve to with the first seed."""

    words: list[str]
    values: dict[str, Any]
    config: TrainConfig


@dataclass(frozen=True)
class Plan:
    """What a command asks for, and where it goes. config: of the first cell, with the grid's own section."""

    kind: Kind
    words: list[str]
    axes: list[Axis]
    config: GridConfig
    allowed: list[str]
    launcher: Launcher
    folder: Path
    cells: list[PlannedCell]

    @property
    def section(self) -> SweepSection:
        return self.config.compare if isinstance(self.config, CompareConfig) else self.config.sweep

    @property
    def baseline(self) -> str | None:
        """The objective that the others of a compare are compared with."""
        if not isinstance(self.config, CompareConfig):
            return None
        return self.config.compare.baseline or str(self.axes[0].values[0])

    @property
    def command(self) -> list[str]:
        """The command that asks for the same once more."""
        return ["sspo", self.kind, *self.words, *(word for key in self.allowed for word in ("--allow", key))]

    def notes(self, how: Launch) -> list[str]:
        """What a user should know before the cells run."""
        found = list(dict.fromkeys(note for cell in self.cells for note in notes(cell.config)))
        if self.config.train.max_minutes and how.at_once != 1:
            found.append(
                "train.max_minutes: cells that run together share the machine; hydra/launcher=basic runs one at a time"
            )
        return found


def read_plan(kind: Kind, words: Sequence[str], allowed: Sequence[str]) -> Plan:
    """Expand `words` to cells and check each of them. allowed: keys that the cells of a compare may differ in too.

    Raises:
        ConfigError: with every problem found. Nothing has been written then.
    """
    launcher, defaults = read_hydra(kind, sort_words(kind, words).launcher)
    read = sort_words(kind, [*defaults, *words])
    if problems := read.problems + allow_problems(allowed) + axis_problems(kind, read, allowed):
        raise ConfigError(problems)
    axes = sorted(read.axes.values(), key=lambda axis: axis.key != "objective")
    shared = list(read.shared.values())
    first = [f"{axis.key}={axis.words[0]}" for axis in axes]
    if problems := choice_problems(axes):
        known = [axis for axis in axes if not choice_problems([axis])]
        words = [*shared, *read.own.values(), *(f"{axis.key}={axis.words[0]}" for axis in known)]
        seeds = [word for axis in known if axis.key == "seed" for word in axis.words[1:] if not word.isdigit()]
        problems += problems_of(words, SCHEMAS[kind])
        problems += [line for word in seeds for line in problems_of([*shared, f"seed={word}"])]
        raise ConfigError(dict.fromkeys(problems))
    config, points = read_both(
        lambda: load_config(SCHEMAS[kind], [*shared, *read.own.values(), *first]),
        lambda: read_points(axes, shared),
        lambda: problems_of(shared),
    )
    axes = complete(read.axes, config.choices["objective"], config.seed)
    cells = make_cells(points, axes, shared)
    problems = baseline_problems(config, [str(value) for value in axes[0].values]) + twins(cells)
    if kind == "compare":
        problems += unfair_settings({cell.label: settings_of(cell.config) for cell in cells}, allowed)
    if problems:
        raise ConfigError(problems)
    folder = store.find_folder(kind, config, cells)
    placed = store.placed(folder, cells)
    return Plan(kind, list(words), axes, config, list(allowed), launcher, folder, placed)


def read_both(
    config: Callable[[], GridConfig], points: Callable[[], list[PlannedPoint]], shared: Callable[[], list[str]]
) -> tuple[GridConfig, list[PlannedPoint]]:
    """Raises ConfigError with the problems of both; a problem that names its point is not repeated without it.

    shared: the problems of what all cells share. If the first cell has no others, the rest are not read: that takes a
    tenth of a second each.
    """
    first: list[GridConfig] = []
    try:
        first.append(config())
    except ConfigError as error:
        if set(error.problems) <= set(shared()):
            raise
    if first and (problems := paths.missing(first[0])):
        raise ConfigError(problems)
    try:
        made, read = all_or_problems(lambda: first[0] if first else config(), points)
    except ConfigError as error:
        lines = error.problems
        lines = [line for line in lines if not any(other.endswith(f": {line}") for other in lines)]
        # The schema of a grid knows more settings than that of its cells, and so a better answer to the same words.
        heads = [re.split(r"[;(,]", line)[0].strip() for line in lines]
        raise ConfigError(line for place, line in enumerate(lines) if heads[place] not in heads[:place]) from None
    return made, read


def choice_problems(axes: Sequence[Axis]) -> list[str]:
    """The choices among the values of axes that there are not: told before any cell is composed."""
    known = groups()
    return [
        unknown_choice(axis.key, word, known[axis.key])
        for axis in axes
        if axis.key in known
        for word in axis.words
        if word not in known[axis.key]
    ]


def missing(plan: Plan) -> list[str]:
    """What cells name and what is not there, each told once: files, and the package of the tracker."""
    return list(dict.fromkeys(problem for cell in plan.cells for problem in paths.missing(cell.config)))


def read_points(axes: Sequence[Axis], shared: Sequence[str]) -> list[PlannedPoint]:
    """Read every combination of the axes with the first seed, and every seed with the first combination.

    Raises:
        ConfigError: with every problem; a problem that only some points have names the point.
    """
    seeds = [f"seed={word}" for axis in axes if axis.key == "seed" for word in axis.words]
    points: list[PlannedPoint] = []
    problems: dict[str, list[str]] = {}
    others = [axis for axis in axes if axis.key != "seed"]
    for places in itertools.product(*(range(len(axis.words)) for axis in others)):
        chosen = list(zip(others, places, strict=True))
        words = [f"{axis.key}={axis.words[i]}" for axis, i in chosen]
        try:
            config = load_config(TrainConfig, [*shared, *words, *seeds[:1]])
            points.append(PlannedPoint(words, {axis.key: axis.values[i] for axis, i in chosen}, config))
        except ConfigError as error:
            problems[" ".join(words)] = error.problems
    found = [
        problem if not points and all(problem in lines for lines in problems.values()) else with_point(problem, point)
        for point, lines in problems.items()
        for problem in lines
    ]
    found += [line for seed in seeds[1:] for line in problems_of([*shared, *(points[0].words if points else []), seed])]
    if found:
        raise ConfigError(dict.fromkeys(found))
    return points


def with_point(problem: str, point: str) -> str:
    return problem if problem.split(":")[0] in point.split() else f"{point}: {problem}"


def make_cells(points: Sequence[PlannedPoint], axes: Sequence[Axis], shared: Sequence[str]) -> list[PlannedCell]:
    """Every point with every seed, seeds innermost; not placed in a folder yet."""
    values = [{"objective": point.config.choices["objective"], **point.values} for point in points]
    keys, cells = varied(values), []
    for point, value in zip(points, values, strict=True):
        for word, seed in zip(axes[-1].words, axes[-1].values, strict=True):
            config = replace(point.config, seed=seed)
            words = [*shared, *point.words, f"seed={word}"]
            name = point_name(value, keys)
            cells.append(PlannedCell(Path(), "", name, value, seed, words, identity(config), config))
    return cells


def baseline_problems(config: GridConfig, objectives: Sequence[str]) -> list[str]:
    baseline = config.compare.baseline if isinstance(config, CompareConfig) else None
    if baseline is None or baseline in objectives:
        return []
    return [
        f"compare.baseline={baseline}: is not among the objectives{did_you_mean(baseline, objectives)}"
        f" (allowed: {', '.join(objectives)})"
    ]


def twins(cells: Sequence[PlannedCell]) -> list[str]:
    """Cells that would be the same run; the first two are named."""
    seen: dict[str, PlannedCell] = {}
    for cell in cells:
        other = seen.setdefault(cell.id, cell)
        if other is not cell:
            return [f"{cell.label} and {other.label}: the same run twice; every cell is run once"]
    return []


def command_line(plan: Plan) -> str:
    return shlex.join(plan.command)


def write_grid(plan: Plan) -> None:
    """What was asked for (config.yaml, overrides.txt, command.sh) and grid.json."""
    folder = plan.folder
    content = {
        "kind": plan.kind,
        "axes": {axis.key: list(axis.values) for axis in plan.axes},
        "metric": plan.section.metric,
        "direction": plan.section.direction,
        "baseline": plan.baseline,
        "allowed": plan.allowed,
        "prompt_time": (store.read_grid(folder) or {}).get("prompt_time") or now(),
        "cells": [
            {"folder": cell.place, "point": cell.point, "seed": cell.seed, "id": cell.id, "overrides": cell.overrides}
            for cell in plan.cells
        ],
    }
    run_format.begin(folder, plan.kind)
    write_request(folder, to_yaml(plan.config), plan.words, plan.command)
    replace_text(folder / "grid.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
