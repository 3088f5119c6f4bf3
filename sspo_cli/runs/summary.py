"""summary.json: first, best and last of every metric that a run followed, read from metrics.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.metrics import metric
from sspo_cli.runs import jsonl


def summarise_run(
    folder: Path, *, status: str, seconds: float, seed: int, objective: str, warnings: Iterable[str] = ()
) -> dict[str, Any]:
    """Write and return summary.json: {"status", "minutes", "steps", ..., metric: {"first", "best", "last"}}.

    warnings: lines for the user about what is wrong with the run.
    """
    rows = jsonl.read(folder / "metrics.jsonl")
    summary: dict[str, Any] = {
        "status": status,
        "minutes": seconds / 60,
        "steps": rows[-1]["step"] if rows else 0,
        "seed": seed,
        "objective": objective,
        "warnings": list(warnings),
    }
    summary |= figures(rows)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def figures(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """{"first", "best", "last"} of every metric in rows of metrics.jsonl; "best" is None where no end is better."""
    found: dict[str, dict[str, float | None]] = {}
    for name in sorted({name for row in rows for name in row} - {"step"}):
        values = [row[name] for row in rows if row.get(name) is not None]
        if values:
            found[name] = {"first": values[0], "best": metric(name).best(values), "last": values[-1]}
    return found
