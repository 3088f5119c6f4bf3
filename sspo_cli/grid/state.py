"""What is left of a cell on disk, and so what is to be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.tree import differences
from sspo_cli.grid.differ import shown, written_settings
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import LEFT_BY_A_START, checkpoints, numbered
from sspo_cli.runs.status import read_state

# What a run that is over has written; without one of these its results cannot be read.
COMPLETE = ("manifest.json", "metrics.jsonl", "samples.jsonl", "eval.jsonl", "summary.json")
LOGS = ("metrics.jsonl", "samples.jsonl", "eval.jsonl")
REFUSED = "cannot go on"  # why a cell failed that would go on once what it reads is again as it was


@dataclass(frozen=True)
class Finding:
    """todo: nothing for a cell that is done, start where nothing is there, resume from the last checkpoint, redo where
    what is there cannot be used. why: of redo, in words."""

    todo: Literal["nothing", "start", "resume", "redo"]
    why: str = ""


def look(folder: Path, settings: Mapping[str, Any]) -> Finding:
    """What is to be done about the cell in `folder`, on which nobody works and whose settings should be `settings`.

    Raises:
        ConfigError: if it holds a run with other settings, naming the differing keys.
    """
    if not folder.is_dir() or {path.name for path in folder.iterdir()} <= LEFT_BY_A_START:
        return Finding("start")
    state, written = read_state(folder), written_settings(folder)
    if written is None:
        return Finding("redo", "has no config.yaml")
    if state.word == "failed" and not state.why.startswith(REFUSED):
        return Finding("redo", str(state))
    if changed := differences(written, settings):
        raise ConfigError(changed_settings(folder, written, settings, changed))
    return look_at_done(folder) if state.word == "done" else look_at_stopped(folder)


def changed_settings(folder: Path, there: Mapping[str, Any], now: Mapping[str, Any], keys: list[str]) -> list[str]:
    hint = "what is there stays as it is; choose another --name"
    return [f"{key}: {shown(there, key)} in {folder}, {shown(now, key)} now; {hint}" for key in keys]


def look_at_done(folder: Path) -> Finding:
    missing = [name for name in COMPLETE if not (folder / name).is_file()]
    if missing == ["summary.json"] and look_at_stopped(folder).todo == "resume":
        return Finding("resume")  # killed while it wrote its report: only that is left to do
    if missing:
        return Finding("redo", f"is done but has no {' and no '.join(missing)}")
    try:
        steps = json.loads((folder / "summary.json").read_text())["steps"]
        rows = jsonl.read(folder / "metrics.jsonl")
    except (ValueError, KeyError):
        return Finding("redo", "is done but cannot be read")
    if not rows or rows[-1]["step"] != steps:
        return Finding("redo", f"is done but its metrics.jsonl does not reach step {steps}")
    return Finding("nothing")


def look_at_stopped(folder: Path) -> Finding:
    """Of a run that was interrupted, or has died."""
    saved = checkpoints(folder)
    if not saved:
        return Finding("redo", "was stopped before its first checkpoint")
    step = int(saved[-1].name.removeprefix("step_"))
    try:
        reached = all((folder / name).is_file() for name in LOGS) and [
            row for row in jsonl.read(folder / "metrics.jsonl") if row["step"] == step
        ]
    except ValueError:
        reached = []
    if not reached or not (folder / "manifest.json").is_file():
        return Finding("redo", "lacks files that going on takes")
    return Finding("resume")


def move_aside(grid: Path, folder: Path) -> Path:
    """Keep what is in the folder of a cell under aside/, so that it can begin anew. Returns where it is kept."""
    parent = grid / "aside"
    parent.mkdir(exist_ok=True)
    stem, number = f"{folder.parent.name}-{folder.name}", 1
    while (parent / numbered(stem, number)).exists():
        number += 1
    return folder.rename(parent / numbered(stem, number))
