"""A user's words -> axes, and the one resolved configuration of every cell; or every problem at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sspo_cli.config.compose import load_config, to_dict
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.schema import CompareConfig, CompareSection, GridConfig, SweepConfig, SweepSection, TrainConfig
from sspo_cli.grid.axes import (
    Axis,
    Kind,
    allow_problems,
    axis_problems,
    complete,
    is_launcher_word,
    problems_of,
    short_names,
    sort_words,
    varied,
)
from sspo_cli.grid.differ import identity, settings
from sspo_cli.grid.fairness import unfair_settings
from sspo_cli.grid.launcher import Launcher, read_hydra

SCHEMAS: dict[Kind, type[CompareConfig] | type[SweepConfig]] = {"compare": CompareConfig, "sweep": SweepConfig}


@dataclass(frozen=True)
class Point:
    """One value of every axis but seed, as words and by key, and what they resolve to with the first seed."""

    words: list[str]
    values: dict[str, Any]
    config: TrainConfig


@dataclass(frozen=True)
class Cell:
    """One train run: its place in the grid, the words that `sspo train` gets, what they resolve to, and its hash.

    name: of its point, for a person: grpo, or tau_pos=2 lr=1e-05.
    """

    name: str
    point: dict[str, Any]
    seed: int
    overrides: list[str]
    config: TrainConfig
    id: str

    @property
    def label(self) -> str:
        return f"{self.name} seed {self.seed}"


@dataclass(frozen=True)
class Request:
    """What a command asks for. config: of the first cell, with the grid's own section."""

    kind: Kind
    words: list[str]
    axes: list[Axis]
    config: GridConfig
    cells: list[Cell]
    allowed: list[str]
    launcher: Launcher

    @property
    def section(self) -> SweepSection:
        return self.config.compare if isinstance(self.config, CompareConfig) else self.config.sweep

    @property
    def baseline(self) -> str | None:
        """The objective that the others of a compare are compared with."""
        if not isinstance(self.section, CompareSection):
            return None
        return self.section.baseline or str(self.axes[0].values[0])


def read_request(kind: Kind, words: Sequence[str], allowed: Sequence[str]) -> Request:
    """Expand `words` to cells and check each of them. allowed: keys that the cells of a compare may differ in too.

    Raises:
        ConfigError: with every problem found.
    """
    launcher, defaults = read_hydra(kind, [word for word in words if is_launcher_word(word)])
    read = sort_words(kind, [*defaults, *words])
    problems = read.problems + allow_problems(allowed) + axis_problems(kind, read, allowed)
    if problems:
        raise ConfigError(problems)
    axes, shared = list(read.axes.values()), list(read.shared.values())
    first = [f"{axis.key}={axis.words[0]}" for axis in axes]
    config, points = read_both(
        lambda: load_config(SCHEMAS[kind], [*shared, *read.own.values(), *first]), lambda: read_points(axes, shared)
    )
    axes = complete(read.axes, config.choices["objective"], config.seed)
    request = Request(kind, list(words), axes, config, make_cells(points, axes, shared), list(allowed), launcher)
    problems = baseline_problems(request) + twins(request.cells)
    if kind == "compare":
        problems += unfair_settings({cell.label: settings(to_dict(cell.config)) for cell in request.cells}, allowed)
    if problems:
        raise ConfigError(problems)
    return request


def read_both(config: Callable[[], GridConfig], points: Callable[[], list[Point]]) -> tuple[GridConfig, list[Point]]:
    """Raises ConfigError with the problems of both; one that is told with its point is not told without."""
    try:
        made, read = all_or_problems(config, points)
    except ConfigError as error:
        told = [line for line in error.problems if not any(other.endswith(f": {line}") for other in error.problems)]
        raise ConfigError(told) from None
    return made, read


def read_points(axes: Sequence[Axis], shared: Sequence[str]) -> list[Point]:
    """Read every combination of the axes with the first seed, and every seed with the first combination.

    Raises:
        ConfigError: with every problem; one that not every point has is told with the point.
    """
    seeds = [f"seed={word}" for axis in axes if axis.key == "seed" for word in axis.words]
    points: list[Point] = []
    problems: dict[str, list[str]] = {}
    others = [axis for axis in axes if axis.key != "seed"]
    for places in itertools.product(*(range(len(axis.words)) for axis in others)):
        chosen = list(zip(others, places, strict=True))
        words = [f"{axis.key}={axis.words[i]}" for axis, i in chosen]
        try:
            config = load_config(TrainConfig, [*shared, *words, *seeds[:1]])
            points.append(Point(words, {axis.key: axis.values[i] for axis, i in chosen}, config))
        except ConfigError as error:
            problems[" ".join(words)] = error.problems
    told = [
        problem if not points and all(problem in lines for lines in problems.values()) else told_with(problem, point)
        for point, lines in problems.items()
        for problem in lines
    ]
    told += [line for seed in seeds[1:] for line in problems_of([*shared, *(points[0].words if points else []), seed])]
    if told:
        raise ConfigError(dict.fromkeys(told))
    return points


def told_with(problem: str, point: str) -> str:
    return problem if problem.split(":")[0] in point.split() else f"{point}: {problem}"


def make_cells(points: Sequence[Point], axes: Sequence[Axis], shared: Sequence[str]) -> list[Cell]:
    """Every point with every seed, seeds innermost."""
    names = short_names(list(varied(axes)) or axes[:1])
    cells = []
    for point in points:
        values = {"objective": point.config.choices["objective"], **point.values}
        written = dict(word.split("=", 1) for word in point.words)
        parts = [str(values[key]) if key == "objective" else f"{name}={written[key]}" for key, name in names.items()]
        for word, seed in zip(axes[-1].words, axes[-1].values, strict=True):
            config = replace(point.config, seed=seed)
            words = [*shared, *point.words, f"seed={word}"]
            cells.append(Cell(" ".join(parts), values, seed, words, config, identity(config)))
    return cells


def baseline_problems(request: Request) -> list[str]:
    objectives = [str(value) for value in request.axes[0].values]
    if request.baseline is None or request.baseline in objectives:
        return []
    return [
        f"compare.baseline={request.baseline}: is not among the objectives{did_you_mean(request.baseline, objectives)}"
        f" (allowed: {', '.join(objectives)})"
    ]


def twins(cells: Sequence[Cell]) -> list[str]:
    """Cells that would be the same run; the first two are told."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.id, cell)
        if other is not cell:
            return [f"{cell.label} and {other.label}: the same run twice; every cell is run once"]
    return []
