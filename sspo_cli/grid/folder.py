"""The folder of a grid: its name, its grid.json, and the folder of every cell in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import now, to_dict, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.tree import differences
from sspo_cli.grid.axes import short_names, varied
from sspo_cli.grid.differ import settings, written_settings
from sspo_cli.grid.request import Request
from sspo_cli.grid.state import changed_settings
from sspo_cli.runs.folder import (
    LEFT_BY_A_START,
    numbered,
    spelling_problems,
    write_request,
    writing_problems,
)
from sspo_cli.runs.status import read_state

LONGEST_NAME = 60


def find_folder(request: Request) -> Path:
    """The folder of a grid that `request` goes on with, or a new one. Nothing is written.

    Raises:
        ConfigError: if the name is taken by a grid that cannot go on like this, with the differing keys.
    """
    output_dir, name = request.config.output_dir, request.config.name
    parent = Path(output_dir) / request.kind
    problems = spelling_problems(name) + writing_problems(f"output_dir={output_dir}", parent, "; set output_dir=FOLDER")
    if problems:
        raise ConfigError(problems)
    if name is not None:
        if clashes := clash(parent / name, request):
            raise ConfigError(clashes)
        return parent / name
    number = 1
    while clash(parent / numbered(stem(request), number), request):
        number += 1
    return parent / numbered(stem(request), number)


def stem(request: Request) -> str:
    """A readable name: objectives, problems, and the keys that vary."""
    objectives = list(request.axes[0].words)
    if len("-".join(objectives)) > LONGEST_NAME:
        objectives = [f"{len(objectives)}_objectives"]
    keys = [name for key, name in short_names(list(varied(request.axes))).items() if key != "objective"]
    return safe("-".join([*objectives, request.config.choices["dataset"], *keys]))


def safe(name: str) -> str:
    return re.sub(r"[^\w.+\-]+", "_", name)


def clash(folder: Path, request: Request) -> list[str]:
    """Why `request` cannot go on in `folder`: cells there that it does not ask for, or asks for otherwise."""
    if not folder.exists() or (folder.is_dir() and {path.name for path in folder.iterdir()} <= LEFT_BY_A_START):
        return []
    stored = read_grid(folder)
    if stored is None:
        return [f"name={folder.name}: {folder} exists and is no {request.kind}; choose another name"]
    asked = {cell.id: cell for cell in request.cells}
    places = {(json.dumps(cell.point), cell.seed): cell for cell in request.cells}
    lines: dict[str, str] = {}
    absent = []
    for old in stored["cells"]:
        place = folder / old["folder"]
        written = written_settings(place)
        if old["id"] in asked or written is None or read_state(place).word == "failed":
            continue
        new = places.get((json.dumps(old["point"]), old["seed"]))
        if new is None:
            absent.append(old["folder"])
            continue
        now = settings(to_dict(new.config))
        keys = differences(written, now)
        for key, line in zip(keys, changed_settings(place, written, now, keys), strict=True):
            lines.setdefault(key, line)
    found = list(lines.values())
    if absent:
        found.append(
            f"name={folder.name}: {folder} has cells that this command does not ask for ({', '.join(absent)}); ask for"
            " them too (a grid can grow), or choose another --name"
        )
    return found


def read_grid(folder: Path) -> dict[str, Any] | None:
    """The content of grid.json; None if there is none."""
    try:
        content: dict[str, Any] = json.loads((folder / "grid.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content


def cell_folders(folder: Path, request: Request) -> list[str]:
    """The folder of every cell, relative to `folder`: where the same run is already, or one named after its point."""
    stored = read_grid(folder) or {"cells": []}
    known = {cell["id"]: cell["folder"] for cell in stored["cells"]}
    names = point_names(request)
    return [known.get(cell.id, f"cells/{names[json.dumps(cell.point)]}/seed_{cell.seed}") for cell in request.cells]


def point_names(request: Request) -> dict[str, str]:
    """A readable name for every point, by the point as JSON; no two points share one."""
    names = {json.dumps(cell.point): safe(cell.name.replace("=", "_").replace(" ", "-")) for cell in request.cells}
    every = list(names.values())
    own = {point: len(name) <= LONGEST_NAME and every.count(name) == 1 for point, name in names.items()}
    return {point: name if own[point] else f"{name[:LONGEST_NAME]}-{digest(point)}" for point, name in names.items()}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def write_grid(folder: Path, request: Request, folders: Sequence[str]) -> None:
    """What was asked for (config.yaml, overrides.txt, command.sh) and grid.json."""
    content = {
        "kind": request.kind,
        "axes": {axis.key: list(axis.values) for axis in request.axes},
        "metric": request.section.metric,
        "direction": request.section.direction,
        "baseline": request.baseline,
        "allowed": request.allowed,
        "prompt_time": (read_grid(folder) or {}).get("prompt_time") or now(),
        "cells": [
            {"folder": place, "point": cell.point, "seed": cell.seed, "id": cell.id, "overrides": cell.overrides}
            for cell, place in zip(request.cells, folders, strict=True)
        ],
    }
    allow = [word for key in request.allowed for word in ("--allow", key)]
    write_request(folder, to_yaml(request.config), request.words, ["sspo", request.kind, *request.words, *allow])
    temporary = folder / "grid.json.tmp"
    temporary.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(folder / "grid.json")
