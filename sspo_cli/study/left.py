"""What is left of a cell on disk, and so what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.tree import differences
from sspo_cli.runs.folder import LEFT_BY_A_START, checkpoints, numbered
from sspo_cli.study.files import CellFiles
from sspo_cli.study.settings import shown

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
    """What is to be done about the cell in `folder`. No process works on it; its settings should be `settings`.

    Raises:
        ConfigError: if it holds a run with other settings, naming the differing keys.
    """
    if not folder.is_dir() or {path.name for path in folder.iterdir()} <= LEFT_BY_A_START:
        return Finding("start")
    cell = CellFiles(folder)
    state = cell.state
    if cell.settings is None:
        return Finding("redo", "has no config.yaml")
    if state.word == "failed" and not state.why.startswith(REFUSED):
        return Finding("redo", str(state))
    if changed := differences(cell.settings, settings):
        raise ConfigError(changed_settings(folder, cell.settings, settings, changed))
    return look_at_done(cell) if state.word == "done" else look_at_stopped(cell)


def changed_settings(folder: Path, there: Mapping[str, Any], now: Mapping[str, Any], keys: list[str]) -> list[str]:
    hint = "what is there stays as it is; choose another --name"
    return [f"{key}: {shown(there, key)} in {folder}, {shown(now, key)} now; {hint}" for key in keys]


def look_at_done(cell: CellFiles) -> Finding:
    missing = [name for name in COMPLETE if not (cell.folder / name).is_file()]
    if missing == ["summary.json"] and look_at_stopped(cell).todo == "resume":
        return Finding("resume")  # killed while it wrote its report: only that is left to do
    if missing:
        return Finding("redo", f"is done but has no {' and no '.join(missing)}")
    try:
        steps, rows = cell.summary["steps"], cell.metrics
    except (ValueError, KeyError):
        return Finding("redo", "is done but cannot be read")
    if not rows or rows[-1]["step"] != steps:
        return Finding("redo", f"is done but its metrics.jsonl does not reach step {steps}")
    return Finding("nothing")


def look_at_stopped(cell: CellFiles) -> Finding:
    """Of a run that was interrupted, or has died."""
    saved = checkpoints(cell.folder)
    if not saved:
        return Finding("redo", "was stopped before its first checkpoint")
    step = int(saved[-1].name.removeprefix("step_"))
    try:
        reached = any(row["step"] == step for row in cell.metrics)
    except ValueError:
        reached = False
    if not reached or not all((cell.folder / name).is_file() for name in (*LOGS, "manifest.json")):
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
