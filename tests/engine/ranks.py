"""Ten updates of each objective by one process and over the ranks that torchrun started, with all weights on each rank
and with a part of them: `torchrun ... -m tests.engine.ranks FILE`."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from sspo_cli.build import load_objective, train_config
from sspo_cli.config.schema import EngineSection
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.update import make_updater
from sspo_cli.engine.world import OneProcess, Ranks, World, world_of
from sspo_cli.models.shards import own_rows
from tests.steps import rollout_of

OBJECTIVES = ("sspo", "grpo", "gspo", "gmpo", "dapo")
METRICS = ("loss", "grad/norm", "policy/kl", "weight/mean")
# Responses of ten updates: mostly odd numbers, so that ranks have different shares, and 1 at last, where one has none.
SIZES = (7, 7, 5, 3, 11, 2, 9, 1, 1, 1)


def main(file: Path) -> None:
    config = train_config("preset=smoke", "engine.device=cpu", "batch.prompts=6")
    parts = load_parts(config)
    weights = copy.deepcopy(parts.policy.model.state_dict())
    trajectories = rollout_of(parts, config).trajectories

    def losses(world: World) -> dict[str, dict[str, list[float]]]:
        """Metrics of ten updates along one rollout, from the same weights for each objective."""
        found = {}
        for objective in OBJECTIVES:
            begin_at(parts.policy.model, weights)
            updater = make_updater(parts.policy, load_objective(objective), config, world)
            rows = [
                updater.update(trajectories[first : first + size], config.optim.lr)
                for first, size in zip(accumulate((0, *SIZES)), SIZES, strict=False)
            ]
            found[objective] = {name: [row[name] for row in rows] for name in METRICS}
        return found

    with world_of(engine()) as world:
        assert isinstance(world, Ranks)
        found = {"ddp": losses(world)}
        if world.rank == 0:
            found["alone"] = losses(OneProcess())
        sharing = replace(world, sharded=True)
        sharing.hold(parts.policy)
        found["fsdp"] = losses(sharing)
        if world.rank == 0:
            file.write_text(json.dumps({"size": world.size, **found}))


def begin_at(model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            held = parameter.to_local() if isinstance(parameter, DTensor) else parameter
            held.copy_(weights[name][own_rows(parameter)])


def engine() -> EngineSection:
    return train_config("engine=ddp").engine


if __name__ == "__main__":
    main(Path(sys.argv[1]))
