"""What a grid will cost and what its seeds can show: as earlier cells here have measured it, or, if asked, one step."""

from __future__ import annotations

import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import differences, is_under, leaves
from sspo_cli.runs import jsonl
from sspo_cli.statistics.power import seeds_needed
from sspo_cli.study.cell import PlannedCell
from sspo_cli.study.files import CellFiles
from sspo_cli.study.launcher import Launch
from sspo_cli.study.plan import Plan
from sspo_cli.study.settings import settings_of
from sspo_cli.study.wording import is_share, written_difference

# Settings that leave the work of a step about as it is.
SAME_WORK = ("objective", "seed", "optim", "name", "output_dir", "tracker", "preset")
PROBE_S = 30.0
FEWEST_SEEDS = 3
GUESSES = (0.5, 2.0)  # of the spread, in units of the difference looked for


@dataclass(frozen=True)
class Cost:
    """Of one cell: seconds, response tokens, and where these figures are from."""

    seconds: float
    tokens: float
    source: str


@dataclass(frozen=True)
class Spread:
    """The standard deviation over seeds of the difference between two points, and what it was measured on."""

    sd: float
    seeds: int
    folder: Path


def earlier_cells(plan: Plan, may_differ: Sequence[str]) -> Iterator[CellFiles]:
    """Every cell here that is done, whatever its grid, and differs from those of `plan` under these keys alone."""
    wanted = settings_of(plan.cells[0].config)
    for kind in ("compare", "sweep"):
        for folder in sorted(Path(plan.config.output_dir).glob(f"{kind}/*/cells/*/*")):
            cell = CellFiles(folder)
            with suppress(ConfigError):  # of a later version
                known = cell.settings if cell.state.word == "done" else None
                if known is not None and all(is_under(key, may_differ) for key in differences(known, wanted)):
                    yield cell


def earlier(plan: Plan, how: Launch) -> Cost | None:
    found: list[tuple[float, float]] = []
    for cell in earlier_cells(plan, SAME_WORK):
        minutes, tokens = cell.figure("minutes"), cell.figure("tokens/total")
        threads = dict(leaves(cell.config, "")).get("engine.threads", 0)
        if threads == how.threads and minutes is not None and tokens is not None:
            found.append((60 * minutes, tokens))
    if not found:
        return None
    seconds, tokens = (sum(column) / len(found) for column in zip(*found, strict=True))
    runs = "run" if len(found) == 1 else "runs"
    return Cost(seconds, tokens, f"as {len(found)} {runs} of this size took here, and some seconds more to start each")


def probe(cell: PlannedCell, how: Launch) -> Cost | None:
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


def measured_spread(plan: Plan) -> Spread | None:
    """Of the earlier grid with most seeds whose cells differ from the plan's in nothing but objective and seed."""
    values: dict[Path, dict[str, dict[int, float]]] = {}
    for cell in earlier_cells(plan, ("objective", "seed")):
        value = cell.figure(plan.section.metric)
        if value is not None:
            points = values.setdefault(cell.folder.parents[2], {})
            points.setdefault(cell.folder.parent.name, {})[int(cell.config["seed"])] = value
    found = [spread for grid, points in values.items() if (spread := spread_of(grid, points.values()))]
    return max(found, key=lambda spread: spread.seeds, default=None)


def spread_of(folder: Path, points: Iterable[dict[int, float]]) -> Spread | None:
    """Pooled over the points, each paired by seed with the first; None with fewer than `FEWEST_SEEDS` pairs each."""
    first, *others = points
    variances = []
    fewest = len(first)
    for other in others:
        paired = [value - first[seed] for seed, value in other.items() if seed in first]
        if len(paired) >= FEWEST_SEEDS:
            variances.append(statistics.variance(paired))
            fewest = min(fewest, len(paired))
    return Spread(statistics.fmean(variances) ** 0.5, fewest, folder) if any(variances) else None


def power_sentence(plan: Plan) -> str:
    """Whether the seeds of `plan` suffice to see the difference that it looks for, four times in five at level 5 %."""
    difference, metric = plan.section.difference, plan.section.metric
    have = len(plan.axes[-1].words)
    size = f"{100 * difference:g}-point difference" if is_share(metric) else f"difference of {difference:g}"
    needed = f"Seeds needed to see a {size}"
    if spread := measured_spread(plan):
        seeds = seeds_needed(difference, spread.sd)
        verdict = "enough" if have >= seeds else "too few"
        return (
            f"{needed}: {seeds}, by the spread between the {spread.seeds} seeds in {spread.folder} (standard deviation"
            f" of paired differences {written_difference(spread.sd, metric)}). You have {have}: {verdict}."
        )
    fewest, most = (seeds_needed(1.0, guess) for guess in GUESSES)
    return (
        f"{needed}: {fewest} to {most}, depending on the spread between seeds, which is not known yet. You have {have}."
    )


@dataclass(frozen=True)
class Preview:
    """What running a plan would do. states: of every cell. cost: of one cell, None if unknown. probed: whether a step
    was to be taken for it. seconds: of all."""

    plan: Plan
    how: Launch
    states: list[str]
    left: int
    cost: Cost | None
    probed: bool
    seconds: float | None
    power: str
    notes: list[str]


def preview(plan: Plan, how: Launch, todo: Sequence[str], *, probing: bool) -> Preview:
    """todo: of every cell, a `Finding`'s. probing: take a step of one cell where nothing is known of its cost."""
    words = {"nothing": "done", "start": "waiting", "resume": "to resume", "redo": "to redo"}
    left = len(todo) - todo.count("nothing")
    cost = (earlier(plan, how) or (probe(plan.cells[0], how) if probing else None)) if left else None
    seconds = total_seconds(cost, left, how.at_once) if cost else None
    states = [words[item] for item in todo]
    return Preview(plan, how, states, left, cost, probing, seconds, power_sentence(plan), plan.notes(how))
