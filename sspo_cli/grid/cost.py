"""What a grid will cost, as measured: by runs of the same size that were done here, or by one step taken now."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import differences, is_under, leaves
from sspo_cli.grid.differ import settings, written_settings
from sspo_cli.grid.launcher import Launch
from sspo_cli.grid.request import Cell, Request
from sspo_cli.runs import jsonl
from sspo_cli.runs.settings import read_tree
from sspo_cli.runs.status import read_state

# Settings that leave the work of a step about as it is.
SAME_WORK = ("objective", "seed", "optim", "name", "output_dir", "tracker", "preset")
PROBE_S = 30.0


@dataclass(frozen=True)
class Cost:
    """Of one cell: seconds, response tokens, and where these figures are from."""

    seconds: float
    tokens: float
    source: str


def cost_of_a_cell(request: Request, how: Launch) -> Cost | None:
    """From earlier cells of the same size with as many CPU threads, else from one step taken now; None if unknown."""
    return earlier(request, how) or probe(request.cells[0], how)


def done_cells(output_dir: str) -> Iterator[Path]:
    """The folder of every cell under `output_dir` that is done, whatever its grid."""
    for kind in ("compare", "sweep"):
        for folder in sorted(Path(output_dir).glob(f"{kind}/*/cells/*/*")):
            if read_state(folder).word == "done":
                yield folder


def earlier(request: Request, how: Launch) -> Cost | None:
    wanted = settings(to_dict(request.cells[0].config))
    found: list[tuple[float, float]] = []
    for folder in done_cells(request.config.output_dir):
        written = written_settings(folder)
        if written is None or any(not is_under(key, SAME_WORK) for key in differences(written, wanted)):
            continue
        if threads_of(folder) == how.threads and (figures := figures_of(folder)):
            found.append(figures)
    if not found:
        return None
    seconds, tokens = (sum(column) / len(found) for column in zip(*found, strict=True))
    runs = "run" if len(found) == 1 else "runs"
    return Cost(seconds, tokens, f"as {len(found)} {runs} of this size took here, and some seconds more to start each")


def threads_of(folder: Path) -> int:
    return int(dict(leaves(read_tree(folder / "config.yaml"))).get("engine.threads", 0))


def figures_of(folder: Path) -> tuple[float, float] | None:
    try:
        summary = json.loads((folder / "summary.json").read_text())
        return 60 * summary["minutes"], summary["tokens/total"]["last"]
    except (OSError, ValueError, KeyError):
        return None


def probe(cell: Cell, how: Launch) -> Cost | None:
    """Take two steps of `cell` in a folder that is thrown away; None if that fails or takes longer than `PROBE_S`."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "run"
        short = ["train.steps=2", "train.eval_every=2", "train.save_every=2", "train.max_tokens=null", "tracker=none"]
        threads = [f"engine.threads={how.threads}"] if how.threads else []
        words = ["train", "--folder", str(folder), *cell.overrides, *short, *threads]
        begun = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "sspo_cli", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},  # nothing is downloaded to tell a cost
            start_new_session=True,
        )
        try:
            code = child.wait(PROBE_S)
        except BaseException as error:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                return None
            raise
        rows = jsonl.read(folder / "metrics.jsonl")
        return None if code or len(rows) < 3 else extrapolate(cell.config, rows, time.monotonic() - begun)


def extrapolate(config: TrainConfig, rows: list[dict[str, Any]], wall_s: float) -> Cost:
    """The cost of a whole run, from the rows of a run of two steps that took `wall_s` seconds in all."""
    first, second = rows[1:]
    evaluation_s = second["time/evaluation_s"]
    step_s = second["time/total_s"] - evaluation_s
    start_s = max(0.0, wall_s - first["time/total_s"] - second["time/total_s"] - evaluation_s)
    train = config.train
    evaluations = 1 + math.ceil(train.steps / train.eval_every)
    seconds = start_s + train.steps * step_s + evaluations * evaluation_s
    tokens = train.steps * second["tokens/total"] / 2
    shares = [train.max_tokens / tokens] if train.max_tokens else []
    shares += [60 * train.max_minutes / seconds] if train.max_minutes else []
    share = min([1.0, *shares])
    return Cost(share * seconds, share * tokens, "from one step taken now; responses that grow longer take longer")


def total_seconds(cost: Cost, cells: int, at_once: int) -> float:
    """Of `cells` cells, `at_once` of them together; all of them where a cluster decides."""
    return cost.seconds * math.ceil(cells / (at_once or max(1, cells)))
