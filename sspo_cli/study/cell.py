"""A cell of a grid, its point, and the one name of a point."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.schema import TrainConfig

Point = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One train run of a grid.

    grid: the grid's folder, in which `place` is the cell's. name: of its point. overrides: what `sspo train` is given.
    id: a hash of its settings, empty where the run was made by another command.
    """

    grid: Path
    place: str
    name: str
    point: Point
    seed: int
    overrides: list[str]
    id: str

    @property
    def folder(self) -> Path:
        return self.grid / self.place

    @property
    def label(self) -> str:
        return f"{self.name} seed {self.seed}"


@dataclass(frozen=True)
class PlannedCell(Cell):
    """A cell that a command asks for, with what its overrides resolve to."""

    config: TrainConfig


def varied(points: Sequence[Point]) -> list[str]:
    """The keys that tell these points apart."""
    keys = dict.fromkeys(key for point in points for key in point)
    return [key for key in keys if len({str(point.get(key)) for point in points}) > 1]


def point_name(point: Point, keys: Sequence[str]) -> str:
    """`sspo`, or `tau_pos=2, lr=1e-05`: the values of `keys`, each under its short name; of no keys, the objective."""
    return ", ".join(name_parts(point, keys, "."))


def name_parts(point: Point, keys: Sequence[str], joint: str, sign: str = "=") -> list[str]:
    names = short_names(keys or ["objective"], joint)
    return [
        plain(point[key]) if key == "objective" else f"{name}{sign}{plain(point[key])}"
        for key, name in names.items()
        if key in point
    ]


def short_names(keys: Iterable[str], joint: str = ".") -> dict[str, str]:
    """For every key as few of its last words as tell it from the others."""
    parts = {key: re.split(r"[./]", key) for key in keys}
    found = {}
    for key, words in parts.items():
        others = [other for name, other in parts.items() if name != key]
        length = 1
        while length < len(words) and any(other[-length:] == words[-length:] for other in others):
            length += 1
        found[key] = joint.join(words[-length:])
    return found


def plain(value: Any) -> str:
    """A configuration's value as it is typed."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)
