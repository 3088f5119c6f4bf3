"""Losses and gradient norms of every objective's first updates: `python -m tests.golden.losses` prints them as JSON.

losses.json holds those of an engine that knew no shortcut: one padded rectangle a micro-batch, and all logits at once.
"""

from __future__ import annotations

import json
import platform
from typing import Any

import torch
import transformers

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.engine.credit import reference_solutions
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.update import minibatches
from sspo_cli.rollout.collect import problems_from
from tests.steps import response_of, rollout_of, updater_of, with_logps

# Steps so long that ratios leave 1, on responses of many lengths.
SETTINGS = [
    "dataset.bare_fraction=0.3", "batch.prompts=12", "batch.minibatches=3", "optim.lr=1e-4", "engine.threads=1",
]  # fmt: skip


def first_updates(objective: str, *overrides: str) -> dict[str, list[Any]]:
    """The responses of the first rollout, and loss and gradient norm of each of the updates that it serves."""
    own = ["batch.samples_per_prompt=1"] if objective == "sft" else []
    config = load_config(TrainConfig, [f"objective={objective}", *SETTINGS, *own, *overrides])
    parts = load_parts(config)
    if objective == "sft":
        encoder = Encoder(parts.policy.tokenizer, config.prompt_time)
        rollout = reference_solutions(encoder, problems_from(parts.dataset, 0, config.batch.prompts), 1)
    else:
        rollout = rollout_of(parts, config)
    trajectories = with_logps(rollout.trajectories, parts, config)
    updater = updater_of(parts, config)
    rows = [updater.update([trajectories[i] for i in places], config.optim.lr) for places in minibatches(config, 1)]
    return {
        "tokens": [sum(response_of(item)) for item in trajectories],
        "loss": [row["loss"] for row in rows],
        "grad/norm": [row["grad/norm"] for row in rows],
    }


def environment() -> dict[str, str]:
    return {"torch": torch.__version__, "transformers": transformers.__version__, "machine": platform.machine()}


if __name__ == "__main__":
    found = {name: first_updates(name) for name in sorted(groups()["objective"])}
    print(json.dumps({"environment": environment(), "updates": found}, indent=1))
