"""The folder of a grid: its name, grid.json, the place of every cell, and the order to those that run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import GridConfig
from sspo_cli.config.tree import differences
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import LEFT_BY_A_START, numbered, spelling_problems, writing_problems
from sspo_cli.runs.grid_file import read_grid_file
from sspo_cli.runs.text import BrokenFile, read_text, replace_text
from sspo_cli.study.cell import PlannedCell, name_parts, short_names, varied
from sspo_cli.study.files import CellFiles
from sspo_cli.study.left import changed_settings
from sspo_cli.study.settings import settings_of

Order = Literal["stop", "stop at once"]
ORDER = "ORDER"
LONGEST_NAME = 60


def find_folder(kind: str, config: GridConfig, cells: Sequence[PlannedCell]) -> Path:
    """The folder of a grid that `cells` go on with, or a new one. Nothing is written.

    Raises:
        ConfigError: if the name is taken by a grid that cannot go on like this, with the differing keys.
    """
    output_dir, name = config.output_dir, config.name
    parent = Path(output_dir) / kind
    problems = spelling_problems(name) + writing_problems(f"output_dir={output_dir}", parent, "; set output_dir=FOLDER")
    if name is not None and not problems:
        problems = clash(parent / name, kind, cells)
    if problems:
        raise ConfigError(problems)
    if name is not None:
        return parent / name
    stem, number = readable_name(config, cells), 1
    while clash(parent / numbered(stem, number), kind, cells):
        number += 1
    return parent / numbered(stem, number)


def readable_name(config: GridConfig, cells: Sequence[PlannedCell]) -> str:
    """Objectives, problems, and the keys that vary."""
    objectives = list(dict.fromkeys(str(cell.point["objective"]) for cell in cells))
    if len("-".join(objectives)) > LONGEST_NAME:
        objectives = [f"{len(objectives)}_objectives"]
    keys = short_names(varied([cell.point for cell in cells]), "_")
    return safe("-".join([*objectives, config.choices["dataset"], *(keys[key] for key in keys if key != "objective")]))


def safe(name: str) -> str:
    return re.sub(r"[^\w.+\-]+", "_", name)


def clash(folder: Path, kind: str, cells: Sequence[PlannedCell]) -> list[str]:
    """Why `cells` cannot go on in `folder`: cells there that are not among them, or have other settings."""
    if not folder.exists() or (folder.is_dir() and {path.name for path in folder.iterdir()} <= LEFT_BY_A_START):
        return []
    stored = read_grid(folder)
    if stored is None:
        return [f"name={folder.name}: {folder} exists and is no {kind}; choose another name"]
    asked = {cell.id for cell in cells}
    places = {(json.dumps(cell.point), cell.seed): cell for cell in cells}
    lines: dict[str, str] = {}
    absent = []
    for old in stored["cells"]:
        there = CellFiles(folder / old["folder"])
        if old.get("id") in asked or there.settings is None or there.state.word == "failed":
            continue
        new = places.get((json.dumps(old["point"]), old["seed"]))
        if new is None:
            absent.append(old["folder"])
            continue
        now = settings_of(new.config)
        keys = differences(there.settings, now)
        for key, line in zip(keys, changed_settings(there.folder, there.settings, now, keys), strict=True):
            lines.setdefault(key, line)
    found = list(lines.values())
    if absent:
        found.append(
            f"name={folder.name}: {folder} has cells that this command does not ask for ({', '.join(absent)}); ask for"
            " them too (a grid can grow), or choose another --name"
        )
    return found


def read_grid(folder: Path) -> dict[str, Any] | None:
    """The content of grid.json; None if there is none.

    Raises:
        UnreadableFormat: if a later version wrote it.
    """
    run_format.check(folder)
    try:
        return read_grid_file(folder)
    except (OSError, BrokenFile):
        return None


def placed(folder: Path, cells: Sequence[PlannedCell]) -> list[PlannedCell]:
    """The cells in `folder`: where the same run is already, or in a place named after the point."""
    stored = read_grid(folder) or {"cells": []}
    known = {cell.get("id"): cell["folder"] for cell in stored["cells"]}
    names = place_names(cells)
    places = (f"cells/{names[json.dumps(cell.point)]}/seed_{cell.seed}" for cell in cells)
    return [
        replace(cell, grid=folder, place=known.get(cell.id, place)) for cell, place in zip(cells, places, strict=True)
    ]


def place_names(cells: Sequence[PlannedCell]) -> dict[str, str]:
    """A readable name for every point, by the point as JSON; no two points share one."""
    points = {json.dumps(cell.point): cell.point for cell in cells}
    keys = varied(list(points.values()))
    names = {key: safe("-".join(name_parts(point, keys, "_", "_"))) for key, point in points.items()}
    every = list(names.values())
    own = {point: len(name) <= LONGEST_NAME and every.count(name) == 1 for point, name in names.items()}
    return {point: name if own[point] else f"{name[:LONGEST_NAME]}-{digest(point)}" for point, name in names.items()}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def give_order(folder: Path, order: Order | None) -> None:
    """Order the cells of the grid in `folder` to stop, or with None to run. For the command that holds its lock."""
    if order is None:
        (folder / ORDER).unlink(missing_ok=True)
    else:
        replace_text(folder / ORDER, f"{order}\n")


def read_order(folder: Path) -> Order | None:
    """The order to the cells of the grid in `folder`, if there is one; an unknown word means stop."""
    try:
        word = read_text(folder / ORDER).strip()
    except FileNotFoundError:
        return None
    return "stop at once" if word == "stop at once" else "stop"
