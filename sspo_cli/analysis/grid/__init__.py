"""Results of a grid, told from the summary.json of every cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sspo_cli.runs.folder import get_status


def write_results(folder: Path) -> dict[str, Any]:
    """summary.json: what became of the cells, and the last value of the metric in each that is done."""
    grid = json.loads((folder / "grid.json").read_text())
    states: dict[str, int] = {}
    values: dict[str, Any] = {}
    for cell in grid["cells"]:
        place = folder / cell["folder"]
        state = get_status(place).split(":")[0]
        states[state] = states.get(state, 0) + 1
        if state == "done":
            summary = json.loads((place / "summary.json").read_text())
            values[cell["folder"]] = summary.get(grid["metric"])
    done = states.get("done", 0) == len(grid["cells"])
    summary = {
        "kind": grid["kind"],
        "status": "done" if done else "incomplete",
        "metric": grid["metric"],
        "cells": states,
        "values": values,
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def print_results(folder: Path, summary: dict[str, Any]) -> None:
    """Print the last value of the metric in every cell."""
    for cell, value in summary["values"].items():
        print(f"{cell}: {summary['metric']} {value['last'] if value else None}")
