"""A grid folder as data: what was asked, and what every cell left behind, whatever state it is in."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import jsonl
from sspo_cli.runs.log import last_line
from sspo_cli.runs.settings import read_tree
from sspo_cli.runs.status import read_state

STATES = ("done", "failed", "damaged", "died", "interrupted", "running", "not started")
NEAR_NAMES = 5
Progress = Callable[[str, int, int], None]
Point = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One run of a grid. `state` is one of STATES; `reason` tells what is wrong with one that is not done.

    warnings: what the run says is wrong with it. metrics: the rows of metrics.jsonl. answers: rows of eval.jsonl, of
    the first and the last evaluation alone.
    """

    name: str
    folder: Path
    point: Point
    seed: int
    overrides: list[str]
    state: str
    reason: str = ""
    metrics: list[dict[str, Any]] = field(default_factory=list, repr=False)
    answers: list[dict[str, Any]] = field(default_factory=list, repr=False)
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    manifest: dict[str, Any] = field(default_factory=dict, repr=False)
    minutes: float | None = None
    warnings: list[str] = field(default_factory=list, repr=False)

    @property
    def counts(self) -> bool:
        """Whether its figures enter the statistics."""
        return self.state == "done"

    @property
    def log(self) -> Path | None:
        file = self.folder / "log.txt"
        return file if file.is_file() else None


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
    cells: list[Cell]
    difference: float | None = None

    @cached_property
    def points(self) -> list[Point]:
        """Every point, in the order of the grid."""
        found: list[Point] = []
        for cell in self.cells:
            if cell.point not in found:
                found.append(cell.point)
        return found

    @property
    def varied(self) -> list[str]:
        """The keys that tell points apart."""
        return [key for key in self.axes if key != "seed" and len({str(point.get(key)) for point in self.points}) > 1]

    @property
    def sign(self) -> int:
        return 1 if self.direction == "max" else -1

    def at(self, point: Point) -> list[Cell]:
        return [cell for cell in self.cells if cell.point == point]

    def done(self, point: Point) -> list[Cell]:
        """The cells whose figures enter the statistics, by seed."""
        return sorted((cell for cell in self.at(point) if cell.counts), key=lambda cell: cell.seed)

    def counts(self) -> dict[str, int]:
        found = Counter(cell.state for cell in self.cells)
        return {state: found[state] for state in STATES if found[state]}

    @property
    def status(self) -> str:
        states = set(self.counts())
        if states <= {"done"}:
            return "done"
        return "failed" if states & {"failed", "damaged", "died"} else "unfinished"


def point_name(point: Point, keys: Sequence[str] | None = None) -> str:
    """`sspo`, or `tau_pos=2, lr=1e-05`: the values of `keys`, each under the last word of its name."""
    shown = {key: point[key] for key in keys or point if key in point}
    if list(shown) == ["objective"]:
        return str(shown["objective"])
    words = short_keys(list(shown))
    return ", ".join(
        str(value) if key == "objective" else f"{words[key]}={plain(value)}" for key, value in shown.items()
    )


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The last word of every key, or all of it where two have the same."""
    lasts = {key: re.split(r"[./]", key)[-1] for key in keys}
    often = Counter(lasts.values())
    return {key: last if often[last] == 1 else key for key, last in lasts.items()}


def plain(value: Any) -> str:
    """A configuration's value as it is typed."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def read_grid(folder: Path, progress: Progress = silent) -> Grid:
    """Everything `folder` holds; a cell that is missing or broken is told as such. progress: phase, done, total.

    Raises:
        ConfigError: no grid.json there, or one that cannot be read.
    """
    file = folder / "grid.json"
    if not file.is_file():
        raise ConfigError([f"{folder}: no grid.json there; grids are folders such as outputs/compare/NAME"])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        entries = content["cells"]
        cells: list[Cell] = []
        for entry in entries:
            progress("reading", len(cells), len(entries))
            cells.append(read_cell(folder, entry))
        grid = Grid(
            folder=folder,
            cells=cells,
            difference=mapping(folder / "config.yaml").get(content["kind"], {}).get("difference"),
            **{key: content[key] for key in ("kind", "axes", "metric", "direction", "baseline", "allowed")},
        )
    except (KeyError, TypeError, ValueError, AttributeError, yaml.YAMLError) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(
            [f"{folder}: its grid.json or config.yaml cannot be read ({reason}); run it again"]
        ) from error
    return with_metric(grid)


def with_metric(grid: Grid) -> Grid:
    """The grid, its done cells that lack the metric marked as damaged.

    Raises:
        ConfigError: if none of several runs has it, with the nearest names.
    """
    names = {name for cell in grid.cells for row in cell.metrics for name in row}
    if names and grid.metric not in names:
        other = f"report another with `sspo report {grid.folder} --metric NAME`"
        raise ConfigError([f"{no_such_metric(grid.metric, names)}; {other}"])
    return replace(grid, cells=[checked(cell, grid.metric) for cell in grid.cells])


def no_such_metric(metric: str, names: Iterable[str]) -> str:
    """The problem, with the names that are most like it."""
    known = sorted(name for name in names if name != "step" and not name.endswith(("_low", "_high")))
    near = difflib.get_close_matches(metric, known, n=NEAR_NAMES, cutoff=0.4)
    near = near or [name for name in known if name.startswith(("eval/", "reward/"))]
    return f"metric {metric}: no run has it; near it are {', '.join(near)}"


def checked(cell: Cell, metric: str) -> Cell:
    if cell.state != "done" or any(row.get(metric) is not None for row in cell.metrics):
        return cell
    reason = f"holds no {metric}" if cell.metrics else "is missing or empty"
    return replace(cell, state="damaged", reason=f"done, but metrics.jsonl {reason}")


def read_cell(grid: Path, entry: Mapping[str, Any]) -> Cell:
    folder = grid / entry["folder"]
    known = {
        "name": entry["folder"],
        "folder": folder,
        "point": dict(entry["point"]),
        "seed": int(entry["seed"]),
        "overrides": list(entry["overrides"]),
    }
    said = read_state(folder)
    state, reason = (said.word, said.why) if said.word in STATES else ("damaged", f"STATUS says '{said}'")
    try:
        found = contents(folder)
    except (ValueError, yaml.YAMLError) as error:
        return Cell(**known, state="damaged", reason=printable(str(error)))
    return Cell(**known, state=state, reason=printable(reason or last_error(folder, state)), **found)


def contents(folder: Path) -> dict[str, Any]:
    """What the files of a run say; nothing where they are missing.

    Raises:
        ValueError: naming the file that cannot be read.
    """
    return {
        "metrics": jsonl.read(folder / "metrics.jsonl"),
        "answers": first_and_last(jsonl.read(folder / "eval.jsonl")),
        "config": mapping(folder / "config.yaml"),
        "manifest": mapping(folder / "manifest.json"),
        **{key: value for key, value in mapping(folder / "summary.json").items() if key in ("minutes", "warnings")},
    }


def first_and_last(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept = {rows[0]["step"], rows[-1]["step"]} if rows else set()
    return [row for row in rows if row["step"] in kept]


def mapping(file: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file, empty where it is missing."""
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8")) if file.suffix == ".json" else read_tree(file)
    if not isinstance(found, dict):
        raise ValueError(f"{file}: not a mapping")
    return found


def printable(text: str) -> str:
    """One line without what would steer a terminal."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def last_error(folder: Path, state: str) -> str:
    """The last line that a run which is not done wrote to its log."""
    return "" if state in ("done", "not started", "running") else last_line(folder / "log.txt")
