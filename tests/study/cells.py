"""A grid on disk whose cells look as `sspo train` leaves them, without training any."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import to_yaml
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import set_status
from sspo_cli.study.axes import Kind
from sspo_cli.study.plan import Plan, read_plan, write_grid

HASHES = {
    "initial_weights": "w", "tokenizer": "t", "data_order": "d", "evaluation_problems": "p", "rollout_draws": "r",
    "evaluation_draws": "e", "reward": "k",
}  # fmt: skip


def write_cell(folder: Path, config_yaml: str, *, status: str = "done", steps: int = 40, accuracy: float = 0.5) -> None:
    (folder / "checkpoints" / f"step_{steps:06d}").mkdir(parents=True)
    (folder / "config.yaml").write_text(config_yaml)
    (folder / "manifest.json").write_text(json.dumps({"hashes": HASHES}))
    rows: list[dict[str, Any]] = [{"step": 0, "eval/accuracy": 0.1}]
    rows += [
        {"step": step, "loss": 1.0, "time/total_s": 2.0, "tokens/total": 100 * step} for step in range(1, steps + 1)
    ]
    rows[-1]["eval/accuracy"] = accuracy
    jsonl.append(folder / "metrics.jsonl", rows)
    for name in ("samples", "eval"):
        jsonl.append(folder / f"{name}.jsonl", [{"step": steps}])
    summary = {"status": status, "minutes": 2.0 * steps / 60, "steps": steps}
    summary |= {"eval/accuracy": {"last": accuracy}, "tokens/total": {"last": 100 * steps}}
    (folder / "summary.json").write_text(json.dumps(summary))
    set_status(folder, status)


def plan_of(*words: str, kind: Kind = "compare", allow: tuple[str, ...] = ()) -> Plan:
    return read_plan(kind, words, allow)


@cache
def read_once(kind: Kind, words: tuple[str, ...]) -> Plan:
    """Read once, for as many tests as use it; the folder is relative to the working directory."""
    return read_plan(kind, words, ())


def finished_grid(*words: str, kind: Kind = "compare", **accuracy: float) -> Plan:
    """A grid all of whose cells are done. accuracy: by objective, to which every seed adds a hundredth."""
    plan = read_once(kind, words)
    plan.folder.mkdir(parents=True)
    write_grid(plan)
    for cell in plan.cells:
        value = accuracy.get(str(cell.point["objective"]), 0.5) + 0.01 * cell.seed
        write_cell(cell.folder, to_yaml(cell.config), accuracy=value)
    return plan
