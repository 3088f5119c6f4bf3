"""What a step of `sspo train` spends on anything but sampling and learning."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console

from benchmarks.workload import Workload
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.loop import Loop
from sspo_cli.engine.observer import Observers
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.world import OneProcess
from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch
from sspo_cli.objectives.objective import Objective
from sspo_cli.runs import jsonl
from sspo_cli.views.live import LiveDisplay

STEPS = 4


class Spent:
    """Seconds of processor time that the calling thread spends in the functions that are watched."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        self.seconds[name] = 0.0

        def call(*args: Any, **kwargs: Any) -> Any:
            begun = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[name] += time.thread_time() - begun

        return call


def measure(workload: Workload, folder: Path, threads: int) -> list[dict[str, Any]]:
    """Shares of step time on the embedded default, with the live view drawn on a terminal that is not there.

    The objective's own backward pass hides in that of the model: it is run again, alone, on the batches that were seen.
    """
    config = load_config(TrainConfig, [f"engine.threads={threads}", "train.steps=1000", "train.eval_every=1000"])
    parts = load_parts(config)
    spent = Spent()
    seen: list[tuple[Objective, PolicyBatch, Counts]] = []
    objective_call = Objective.__call__

    def noted(self: Objective, batch: PolicyBatch, counts: Counts) -> ObjectiveOutput:
        seen.append((self, batch, counts))
        return objective_call(self, batch, counts)

    with (
        ExitStack() as patches,
        tempfile.TemporaryDirectory() as run,
        Path(os.devnull).open("w") as nowhere,
        LiveDisplay(Console(file=nowhere, force_terminal=True, width=120), "overhead", 0, 1000) as display,
    ):
        loop = Loop(config, parts, Path(run), Observers([display]), OneProcess(), StopRequest(None, at_once=False))
        loop.step(1)
        for owner, method, name in (
            (Objective, "diagnose", "diagnostics"),
            (jsonl, "append", "logging"),
            (display, "phase", "display notes"),
            (display, "step", "display rows"),
            (display.live, "refresh", "display drawing"),
        ):
            patches.enter_context(patch.object(owner, method, spent.watched(name, getattr(owner, method))))
        patches.enter_context(patch.object(Objective, "__call__", noted))
        begun = time.perf_counter()
        for step in range(STEPS):
            loop.step(2 + step)
        whole_s = time.perf_counter() - begun
    seconds = {"objective": objective_seconds(seen), **spent.seconds}
    return [{"step_s": whole_s / STEPS, **{name: value / STEPS for name, value in seconds.items()}}]


def objective_seconds(seen: list[tuple[Objective, PolicyBatch, Counts]]) -> float:
    """Forward and backward pass of the objective alone."""
    leaves = [
        (objective, replace(batch.detach(), logp_BT=batch.logp_BT.detach().requires_grad_()), counts)
        for objective, batch, counts in seen
    ]
    begun = time.perf_counter()
    for objective, batch, counts in leaves:
        objective(batch, counts).loss.backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - begun
