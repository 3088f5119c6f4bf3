"""This engine on a workload: its own loop, as `sspo train` runs it, with its own clocks."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmarks.arithmetic import need_of
from benchmarks.checkpoint import OLD_LOGP, random_ids
from benchmarks.workload import SEED, Workload, work_of
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine import loop as engine_loop
from sspo_cli.engine.credit import with_logprobs
from sspo_cli.engine.logprobs import trajectory_logprobs
from sspo_cli.engine.loop import Loop
from sspo_cli.engine.observer import Observer
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.world import OneProcess, World
from sspo_cli.models.policy import Policy
from sspo_cli.models.reference import Reference
from sspo_cli.types import Trajectory
from tests.steps import context_of, trajectory, updater_of

REWARD = Path(__file__).with_name("reward.py")


def configure(workload: Workload, folder: Path, threads: int, seed: int) -> TrainConfig:
    """The workload as overrides; whatever they leave open is the default that users get."""
    words = [
        "objective=sapo",
        *workload.overrides(folder, REWARD),
        f"seed={seed}",
        "train.steps=1000000",
        "train.eval_every=1000000",
        "train.save_every=1000000",
        "engine.device=cpu",
        f"engine.threads={threads}",
    ]
    if workload.tokens_per_microbatch is not None:
        words.append(f"engine.tokens_per_microbatch={workload.tokens_per_microbatch}")
    return load_config(TrainConfig, words)


def measure(workload: Workload, folder: Path, threads: int, steps: int, seed: int = SEED) -> list[dict[str, Any]]:
    """One row per rollout step, after one that warms up: seconds of its phases, and how much work it was.

    The step itself scores nothing: its ratios start from the sampler's own log-probabilities. `extra_scoring_s` is what
    a pass over the rollout takes, as `objective.correction.level` adds one.
    """
    config = configure(workload, folder, threads, seed)
    parts = load_parts(config)
    with tempfile.TemporaryDirectory() as run:
        loop = Loop(config, parts, Path(run), Observer(), OneProcess(), StopRequest(None, at_once=False))
        return rollout_steps(loop, workload, steps)


def rollout_steps(loop: Loop, workload: Workload, steps: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 2):
        with learned_from() as seen, sampling_attention() as attention_s, prompts_read(loop.parts.policy) as read:
            begun = time.perf_counter()
            loop.step(step)
            step_s = time.perf_counter() - begun
        begun = time.perf_counter()
        trajectory_logprobs(loop.parts.policy, seen, loop.config)
        scoring_s = time.perf_counter() - begun
        metrics = json.loads((loop.folder / "metrics.jsonl").read_text().splitlines()[-1])
        rollout_s, update_s = metrics["time/rollout_s"] + metrics["time/reward_s"], metrics["time/update_s"]
        rows.append(
            {
                "step_s": step_s,
                "rollout_s": rollout_s,
                "rollout_attention_s": sum(attention_s),
                "scoring_s": 0.0,
                "update_s": update_s,
                "other_s": step_s - rollout_s - update_s,
                "extra_scoring_s": scoring_s,
                "encoded_prompt_tokens": sum(read),
                "updates": loop.config.updates_per_rollout,
                **work_of([context_of(item) for item in seen], [item.trained for item in seen]),
                **need_of(workload, [len(context_of(item)) for item in seen], [item.trained for item in seen]),
            }
        )
    return rows[1:]


@contextmanager
def learned_from() -> Iterator[list[Trajectory]]:
    """Collects the trajectories that the loop learns from, where it hands them to the updates."""
    seen: list[Trajectory] = []

    def watched(
        trajectories: Sequence[Trajectory],
        policy: Policy,
        reference: Reference | None,
        config: TrainConfig,
        world: World,
    ) -> list[Trajectory]:
        seen.extend(trajectories)
        return with_logprobs(trajectories, policy, reference, config, world)

    with patch.object(engine_loop, "with_logprobs", watched):
        yield seen


@contextmanager
def prompts_read(policy: Policy) -> Iterator[list[int]]:
    """Collects the prompt tokens of each pass that fills a cache: padding is not counted."""
    read: list[int] = []

    def look(module: torch.nn.Module, given: tuple[Any, ...], options: dict[str, Any]) -> None:
        if options.get("past_key_values") is not None and options["input_ids"].shape[1] > 1:
            read.append(int(options["attention_mask"].sum()))

    hook = policy.model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield read
    finally:
        hook.remove()


@contextmanager
def sampling_attention() -> Iterator[list[float]]:
    """Collects the seconds of each layer's attention outside of updates."""
    seconds: list[float] = []
    original = torch.nn.functional.scaled_dot_product_attention

    def timed(*args: Any, **kwargs: Any) -> torch.Tensor:
        if torch.is_grad_enabled():
            return original(*args, **kwargs)
        begun = time.perf_counter()
        output = original(*args, **kwargs)
        seconds.append(time.perf_counter() - begun)
        return output

    torch.nn.functional.scaled_dot_product_attention = timed
    try:
        yield seconds
    finally:
        torch.nn.functional.scaled_dot_product_attention = original


def measure_update(workload: Workload, folder: Path, threads: int, tokens: int) -> list[dict[str, Any]]:
    """Two updates on sequences of `tokens` random tokens, prompts included, one for every response."""
    config = configure(workload, folder, threads, SEED)
    parts = load_parts(config)
    updater = updater_of(parts, config)
    S = workload.prompt_length[0]
    old_logp_T = torch.full((tokens - S,), OLD_LOGP)
    trajectories = [
        trajectory(ids[:S], ids[S:], old_logp_T, advantage=(-1.0) ** place)
        for place, ids in enumerate(random_ids(workload, tokens).tolist())
    ]
    rows = []
    for _ in range(2):
        begun = time.perf_counter()
        updater.update(trajectories, workload.learning_rate)
        rows.append({"update_s": time.perf_counter() - begun, "tokens": tokens * workload.responses})
    return rows
