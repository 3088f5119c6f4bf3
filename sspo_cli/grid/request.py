"""A user's words -> axes, and the one resolved configuration of every cell; or every problem at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from sspo_cli.config.complete import known_keys
from sspo_cli.config.compose import load_config, to_dict, with_home
from sspo_cli.config.errors import ConfigError, all_or_problems, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import CompareConfig, CompareSection, GridConfig, SweepConfig, SweepSection, TrainConfig
from sspo_cli.grid.differ import identity, is_under, settings
from sspo_cli.grid.fairness import FREE, unfair_settings
from sspo_cli.grid.launcher import Launcher, read_hydra

Kind = Literal["compare", "sweep"]
SCHEMAS: dict[Kind, type[CompareConfig] | type[SweepConfig]] = {"compare": CompareConfig, "sweep": SweepConfig}
ONE_FOR_ALL = ("name", "output_dir")


@dataclass(frozen=True)
class Axis:
    """A key with its values: as the override grammar writes them, and as they are."""

    key: str
    words: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def typed(self) -> str:
        return f"{self.key}={','.join(self.words)}"


@dataclass(frozen=True)
class Point:
    """A combination of values of all axes but seed, as words and by key, and what it resolves to with the first seed."""

    words: list[str]
    values: dict[str, Any]
    config: TrainConfig


@dataclass(frozen=True)
class Cell:
    """One train run: its place in the grid, the words that `sspo train` gets, what they resolve to, and its hash."""

    point: dict[str, Any]
    seed: int
    overrides: list[str]
    config: TrainConfig
    id: str

    @property
    def label(self) -> str:
        """For a person, such as objective=grpo seed=0."""
        return " ".join(f"{key}={value}" for key, value in {**self.point, "seed": self.seed}.items())


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


@dataclass
class Words:
    """The user's words by what they are for; of two for one key, the later."""

    shared: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)
    axes: dict[str, Axis] = field(default_factory=dict)
    launcher: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_request(kind: Kind, words: Sequence[str], allowed: Sequence[str]) -> Request:
    """Expand `words` to cells and check each of them. allowed: keys that the cells of a compare may differ in too.

    Raises:
        ConfigError: with every problem found.
    """
    launcher, defaults = read_hydra(kind, [word for word in words if is_launcher_word(word)])
    read = sort_words(kind, [*defaults, *words])
    problems = read.problems + allow_problems(kind, allowed) + axis_problems(kind, read, allowed)
    if problems:
        raise ConfigError(problems)
    axes, shared = list(read.axes.values()), list(read.shared.values())
    first = [f"{axis.key}={axis.words[0]}" for axis in axes]
    config, points = read_both(
        lambda: load_config(SCHEMAS[kind], [*shared, *read.own.values(), *first]), lambda: read_points(axes, shared)
    )
    axes = complete(read.axes, config)
    request = Request(kind, list(words), axes, config, make_cells(points, axes, shared), list(allowed), launcher)
    problems = baseline_problems(request) + twins(request.cells)
    if kind == "compare":
        problems += unfair_settings({cell.label: settings(to_dict(cell.config)) for cell in request.cells}, allowed)
    if problems:
        raise ConfigError(problems)
    return request


def is_launcher_word(word: str) -> bool:
    return word.startswith(("hydra/launcher=", "hydra.launcher."))


def sort_words(kind: Kind, words: Sequence[str]) -> Words:
    """Tell axes from settings that all cells share, and both from what is the grid's own."""
    parser = OverridesParser.create()
    found = Words()
    for word in words:
        try:
            override = parser.parse_override(with_home(word))
        except HydraException:
            found.problems += problems_of([word])
            continue
        key = override.key_or_group
        if override.is_hydra_override() or key == "hydra":
            if is_launcher_word(word) and not override.is_sweep_override():
                found.launcher.append(word)
            else:
                found.problems.append(
                    f"'{word}': of Hydra's settings, hydra/launcher=NAME and one value for hydra.launcher.KEY can be set"
                )
        elif key.split(".")[0] in (kind, *ONE_FOR_ALL):
            if override.is_sweep_override():
                found.problems.append(f"'{word}': a {kind} takes one value for {key}, not a list of them")
            (found.shared if key == "output_dir" else found.own)[key] = word
        elif override.is_sweep_override() or (key in FREE and not override.is_delete()):
            found.shared.pop(key, None)
            found.axes.pop(key, None)
            found.axes |= {axis.key: axis for axis in [read_axis(override, found.problems)] if axis}
        else:
            found.axes.pop(key, None)
            found.shared[key] = word
    return found


def read_axis(override: Override, problems: list[str]) -> Axis | None:
    """The values of an override; None, with the problem noted, if they cannot be listed."""
    key, value = override.key_or_group, override.value()
    if not override.is_sweep_override():
        words = [override.get_value_element_as_str()]
    elif isinstance(value, Glob):
        words = value.filter(groups().get(key, []))
    elif override.is_discrete_sweep():
        words = list(override.sweep_string_iterator())
    else:
        problems.append(f"'{override.input_line}': has endless values; write a list, or range(start,stop,step)")
        return None
    if not words:
        problems.append(f"'{override.input_line}': stands for no value at all")
        return None
    repeated = [word for word in dict.fromkeys(words) if words.count(word) > 1]
    if repeated:
        problems.append(f"'{override.input_line}': has {', '.join(repeated)} more than once; every cell is run once")
    parser = OverridesParser.create()
    return Axis(key, tuple(words), tuple(parser.parse_override(f"{key}={word}").value() for word in words))


def allow_problems(kind: Kind, allowed: Sequence[str]) -> list[str]:
    known = [*known_keys(TrainConfig), *groups()]
    return [f"--allow {key}: unknown key{did_you_mean(key, known)}" for key in allowed if key not in known]


def axis_problems(kind: Kind, read: Words, allowed: Sequence[str]) -> list[str]:
    """What is wrong with the axes, before any cell is read."""
    axes = [axis for axis in read.axes.values() if len(axis.words) > 1]
    if kind == "sweep":
        if axes or read.problems:
            return []
        return [
            "sspo sweep: nothing to sweep; give a key several values, such as objective.gate.tau_pos=2,5,10 seed=0,1"
        ]
    problems = [
        f"{axis.typed}: cells of a compare may differ in objective and seed only; use `sspo sweep {axis.typed}`,"
        f" or --allow {axis.key}"
        for axis in axes
        if not is_under(axis.key, (*FREE, *allowed))
    ]
    objective = read.axes.get("objective")
    if objective is not None and len(objective.words) == 1:
        problems.append(
            f"{objective.typed}: a compare needs two objectives or more, such as objective=grpo,sspo; try the values of"
            " a setting with `sspo sweep`, or run it once with `sspo train`"
        )
    return problems


def complete(axes: dict[str, Axis], config: GridConfig) -> list[Axis]:
    """Every axis: objective first, then the others as they were typed, seed last."""
    choice = config.choices["objective"]
    objective = axes.get("objective", Axis("objective", (choice,), (choice,)))
    seed = axes.get("seed", Axis("seed", (str(config.seed),), (config.seed,)))
    return [objective, *(axis for key, axis in axes.items() if key not in FREE), seed]


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
    cells = []
    for point in points:
        values = {"objective": point.config.choices["objective"], **point.values}
        for word, seed in zip(axes[-1].words, axes[-1].values, strict=True):
            config = replace(point.config, seed=seed)
            cells.append(Cell(values, seed, [*shared, *point.words, f"seed={word}"], config, identity(config)))
    return cells


def problems_of(words: Sequence[str]) -> list[str]:
    try:
        load_config(TrainConfig, words)
    except ConfigError as error:
        return error.problems
    return []


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


def varied(axes: Sequence[Axis]) -> Iterator[Axis]:
    """The axes with several values, but for seed."""
    return (axis for axis in axes if len(axis.words) > 1 and axis.key != "seed")
