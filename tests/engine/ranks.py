"""Ten updates of each objective over the ranks that torchrun started: `torchrun ... -m tests.engine.ranks FILE`."""

from __future__ import annotations

import copy
import json
import sys
from itertools import accumulate
from pathlib import Path

from sspo_cli.build import load_objective, train_config
from sspo_cli.config.schema import EngineSection
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.update import make_updater
from sspo_cli.engine.world import OneProcess, World, world_of
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
            parts.policy.model.load_state_dict(weights)
            updater = make_updater(parts.policy, load_objective(objective), config, world)
            rows = [
                updater.update(trajectories[first : first + size], config.optim.lr)
                for first, size in zip(accumulate((0, *SIZES)), SIZES, strict=False)
            ]
            found[objective] = {name: [row[name] for row in rows] for name in METRICS}
        return found

    with world_of(engine()) as world:
        together = losses(world)
        if world.rank == 0:
            file.write_text(json.dumps({"alone": losses(OneProcess()), "together": together, "size": world.size}))


def engine() -> EngineSection:
    return train_config("engine=ddp").engine


if __name__ == "__main__":
    main(Path(sys.argv[1]))
