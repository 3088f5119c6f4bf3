"""A grid folder as data: what was asked, and what every cell left behind, whatever state it is in."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.log import last_line
from sspo_cli.runs.text import BrokenFile
from sspo_cli.study.cell import Cell, Point, point_name, varied
from sspo_cli.study.files import CellFiles, mapping
from sspo_cli.study.follow import STATES as OF_STATUS

STATES = ("done", "failed", "damaged", "died", "interrupted", "running", "not started")
NEAR_NAMES = 5
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Run:
    """What a cell left behind. `state` is one of STATES; `reason` tells what is wrong with one that is not done.

    metrics: rows of metrics.jsonl. answers: rows of eval.jsonl, of the first and the last evaluation. warnings: what
    the run says is wrong with it.
    """

    cell: Cell
    state: str
    reason: str = ""
    metrics: Sequence[Mapping[str, Any]] = field(default_factory=list, repr=False)
    answers: list[dict[str, Any]] = field(default_factory=list, repr=False)
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    manifest: dict[str, Any] = field(default_factory=dict, repr=False)
    minutes: float | None = None
    warnings: list[str] = field(default_factory=list, repr=False)

    @property
    def seed(self) -> int:
        return self.cell.seed

    @property
    def counts(self) -> bool:
        """Whether its figures enter the statistics."""
        return self.state == "done"

    @property
    def log(self) -> Path | None:
        file = self.cell.folder / "log.txt"
        return file if file.is_file() else None

    def last(self, metric: str) -> float | None:
        """The latest value of the metric."""
        return next((float(row[metric]) for row in reversed(self.metrics) if row.get(metric) is not None), None)


@dataclass(frozen=True)
class Grid:
    """grid.json with its cells read. difference: what its seeds were asked to show, where it says."""

    folder: Path
    kind: str
    axes: dict[str, list[Any]]
    metric: str
    direction: str
    baseline: str | None
    allowed: list[str]
    runs: list[Run]
    difference: float | None = None

    @cached_property
    def points(self) -> list[Point]:
        """Every point, in the order of the grid."""
        found: list[Point] = []
        for run in self.runs:
            if run.cell.point not in found:
                found.append(run.cell.point)
        return found

    @cached_property
    def varied(self) -> list[str]:
        """The keys that tell points apart."""
        return [key for key in self.axes if key in varied(self.points)]

    @property
    def sign(self) -> int:
        return 1 if self.direction == "max" else -1

    def name(self, point: Point) -> str:
        return point_name(point, self.varied)

    def at(self, point: Point) -> list[Run]:
        return [run for run in self.runs if run.cell.point == point]

    def done(self, point: Point) -> list[Run]:
        """The runs whose figures enter the statistics, by seed."""
        return sorted((run for run in self.at(point) if run.counts), key=lambda run: run.seed)

    def common_seeds(self, points: Iterable[Point]) -> list[int]:
        """The seeds that every one of these points has done."""
        return sorted(set.intersection(*({run.seed for run in self.done(point)} for point in points)))

    def counts(self) -> dict[str, int]:
        found = Counter(run.state for run in self.runs)
        return {state: found[state] for state in STATES if found[state]}

    @property
    def status(self) -> str:
        states = set(self.counts())
        if states <= {"done"}:
            return "done"
        return "failed" if states & {"failed", "damaged", "died"} else "unfinished"


def silent(phase: str, done: int, total: int) -> None:
    """Progress that is not shown."""


def read_grid(folder: Path, progress: Progress = silent) -> Grid:
    """Everything `folder` holds; missing and broken cells are included, with the reason. progress: phase, done, total.

    Raises:
        ConfigError: no grid.json there, or one that cannot be read.
    """
    if not (folder / "grid.json").is_file():
        raise ConfigError([f"{folder}: no grid.json there; grids are folders such as outputs/compare/NAME"])
    try:
        content = read_grid_file(folder)
        runs: list[Run] = []
        for cell in read_cells(folder, content):
            progress("reading", len(runs), len(content["cells"]))
            runs.append(read_run(cell))
        grid = Grid(
            folder=folder,
            runs=runs,
            difference=mapping(folder / "config.yaml").get(content["kind"], {}).get("difference"),
            **{key: content[key] for key in ("kind", "axes", "metric", "direction", "baseline", "allowed")},
        )
    except BrokenFile:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(
            [f"{folder}: its grid.json or config.yaml cannot be read ({reason}); run it again"]
        ) from error
    return with_metric(grid)


def read_cells(folder: Path, content: Mapping[str, Any]) -> list[Cell]:
    """The cells that a grid.json names."""
    keys = varied([entry["point"] for entry in content["cells"]])
    return [
        Cell(
            grid=folder,
            place=entry["folder"],
            name=point_name(entry["point"], keys),
            point=dict(entry["point"]),
            seed=int(entry["seed"]),
            overrides=list(entry.get("overrides", [])),
            id=entry.get("id", ""),
        )
        for entry in content["cells"]
    ]


def with_metric(grid: Grid) -> Grid:
    """The grid, its done runs that lack the metric marked as damaged.

    Raises:
        ConfigError: if none of several runs has it, with the nearest names.
    """
    names = {name for run in grid.runs for row in run.metrics for name in row}
    if names and grid.metric not in names:
        other = f"report another with `sspo report {grid.folder} --metric NAME`"
        raise ConfigError([f"{no_such_metric(grid.metric, names)}; {other}"])
    return replace(grid, runs=[checked(run, grid.metric) for run in grid.runs])


def no_such_metric(metric: str, names: Iterable[str]) -> str:
    """The problem, with the names that are most like it."""
    known = sorted(name for name in names if name != "step" and not name.endswith(("_low", "_high")))
    near = difflib.get_close_matches(metric, known, n=NEAR_NAMES, cutoff=0.4)
    near = near or [name for name in known if name.startswith(("eval/", "reward/"))]
    return f"metric {metric}: no run has it; near it are {', '.join(near)}"


def checked(run: Run, metric: str) -> Run:
    if not run.counts or run.last(metric) is not None:
        return run
    reason = f"holds no {metric}" if run.metrics else "is missing or empty"
    return replace(run, state="damaged", reason=f"done, but metrics.jsonl {reason}")


def read_run(cell: Cell) -> Run:
    files = CellFiles(cell.folder)
    state = files.state
    word, why = (state.word, state.why)
    if word not in STATES:
        word, why = "damaged", f"STATUS says '{state}'"
    if not why and word in OF_STATUS and word not in ("done", "running"):
        why = last_line(files.folder / "log.txt")
    try:
        return Run(
            cell,
            word,
            printable(why),
            metrics=files.metrics,
            answers=files.answers,
            config=files.config,
            manifest=files.manifest,
            minutes=files.summary.get("minutes"),
            warnings=files.summary.get("warnings", []),
        )
    except ValueError as error:
        return Run(cell, "damaged", printable(str(error)))


def printable(text: str) -> str:
    """One line without what would steer a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
