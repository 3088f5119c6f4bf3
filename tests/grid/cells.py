"""A grid on disk whose cells look as `sspo train` leaves them, without training any."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from sspo_cli.commands.grid import locate
from sspo_cli.config.compose import to_yaml
from sspo_cli.grid.axes import Kind
from sspo_cli.grid.folder import write_grid
from sspo_cli.grid.request import Request, read_request
from sspo_cli.grid.run import Grid
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import set_status

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


def grid_of(*words: str, kind: Kind = "compare", allow: tuple[str, ...] = ()) -> Grid:
    return locate(read_request(kind, words, allow))


@cache
def request_of(kind: Kind, words: tuple[str, ...]) -> Request:
    """Read once, for as many tests as use it."""
    return read_request(kind, words, ())


def finished_grid(*words: str, kind: Kind = "compare", **accuracy: float) -> Grid:
    """A grid all of whose cells are done. accuracy: by objective, to which every seed adds a hundredth."""
    grid = locate(request_of(kind, words))
    grid.folder.mkdir(parents=True)
    write_grid(grid.folder, grid.request, [cell.folder.relative_to(grid.folder).as_posix() for cell in grid.cells])
    for cell in grid.cells:
        value = accuracy.get(str(cell.cell.point["objective"]), 0.5) + 0.01 * cell.cell.seed
        write_cell(cell.folder, to_yaml(cell.cell.config), accuracy=value)
    return locate(request_of(kind, words))
