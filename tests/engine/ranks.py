"""The same work by one process and over the ranks that torchrun started, with all weights on each rank and with a part
of them: `torchrun ... -m tests.engine.ranks FOLDER [architecture ...]` writes found.json into FOLDER, an empty one."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from sspo_cli.build import load_objective, train_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.checkpoint import Progress, restore, save_checkpoint
from sspo_cli.engine.credit import with_logprobs
from sspo_cli.engine.logprobs import trajectory_logprobs
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.engine.update import make_updater
from sspo_cli.engine.world import OneProcess, Ranks, World, agreed, world_of
from sspo_cli.guards import GuardStop
from sspo_cli.models.policy import Policy
from sspo_cli.models.reference import Reference
from sspo_cli.models.shards import gathered_weights, own_rows, parts_of, whole
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.types import Decoding, Key, Request, Trajectory, single_turn
from tests.steps import rollout_of
from tests.tiny_models import random_policy

OBJECTIVES = ("sspo", "grpo", "gspo", "gmpo", "dapo")
METRICS = ("loss", "grad/norm", "policy/kl", "policy/entropy", "weight/mean")
# Responses of ten updates: mostly odd numbers, so that ranks have different shares, and 1 at last, where one has none.
SIZES = (7, 7, 5, 3, 11, 2, 9, 1, 1, 1)
SMOKE = ("preset=smoke", "engine.device=cpu", "batch.prompts=6")
KL = ("objective=grpo", "objective.kl.coef=0.5", "objective.kl.place=loss")
# Tied weights; logits that are more than a projection; experts.
ARCHITECTURES = ("llama", "gemma2", "mixtral")


def main(folder: Path, architectures: Sequence[str]) -> None:
    with world_of(train_config("engine=ddp").engine) as world:
        assert isinstance(world, Ranks)
        # Or what follows would wait for ever.
        assert world.most(world.rank) == world.size - 1
        found = {
            "size": world.size,
            "agreement": of_agreement(world),
            "objectives": of_objectives(world),
            "reference": of_reference(world, (*KL, "objective.correction.level=token")),
            "adapters": of_reference(world, (*KL, "lora.rank=3", "engine.gradient_checkpointing=true")),
            "models": {name: of_model(world, name, folder / name) for name in architectures},
        }
        if world.rank == 0:
            (folder / "found.json").write_text(json.dumps(found))


def of_agreement(world: Ranks) -> dict[str, Any]:
    """What all ranks tell of a failure and a flag of the last one, and of a sum."""
    last = world.rank == world.size - 1

    def work() -> None:
        if last:
            raise GuardStop("the last")

    try:
        agreed(world, work)
        told = "nothing"
    except GuardStop as error:
        told = str(error)
    return {
        "told": world.gather([told]),
        "any": world.gather([world.any(last), world.any(False)]),
        "sum": world.gather([float(world.sum(torch.tensor(world.rank + 1.0)))]),
    }


def of_objectives(world: Ranks) -> dict[str, Any]:
    """Metrics of ten updates along one rollout, from the same weights, for each objective."""
    config = train_config(*SMOKE)
    parts = load_parts(config)
    weights = copy.deepcopy(parts.policy.model.state_dict())
    trajectories = rollout_of(parts, config).trajectories

    def losses(world: World) -> dict[str, dict[str, list[float]]]:
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

    found = {"ddp": losses(world), "alone": losses(OneProcess()) if world.rank == 0 else {}}
    sharing = replace(world, sharded=True)
    sharing.hold(parts.policy)
    return {**found, "fsdp": losses(sharing)}


def begin_at(model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            held = parameter.to_local() if isinstance(parameter, DTensor) else parameter
            held.copy_(weights[name][own_rows(parameter)])


def of_reference(world: Ranks, words: Sequence[str]) -> dict[str, Any]:
    """Metrics of two updates with a KL penalty, by one process and over ranks that hold parts of all weights; and
    elements of weights that this rank holds, of how many."""
    config = train_config(*SMOKE, *words)
    alone = load_parts(config)
    policy = replace(alone.policy, model=copy.deepcopy(alone.policy.model))
    assert alone.reference is not None
    second = alone.reference.policy
    own = second is not alone.policy
    reference = Reference(replace(second, model=copy.deepcopy(second.model)) if own else policy)
    together = replace(alone, policy=policy, reference=reference)
    rollout = rollout_of(alone, config).trajectories
    sharing = replace(world, sharded=True)
    for one in together.policies:
        sharing.hold(one)

    def rows(parts: TrainParts, config: TrainConfig, world: World) -> list[dict[str, float]]:
        found = with_logprobs(rollout, parts.policy, parts.reference, config, world)
        updater = make_updater(parts.policy, parts.objective, config, world)
        return [updater.update(found[first:], 1e-3) for first in (0, 5)]

    weights = [weight for one in together.policies for weight in one.model.parameters()]
    rows_are_own = all(torch.equal(weight.full_tensor()[own_rows(weight)], weight.to_local()) for weight in weights)
    held = sum(weight.to_local().numel() for weight in weights if isinstance(weight, DTensor))
    return {
        "alone": rows(alone, config, OneProcess()),
        "together": rows(together, config, sharing),
        "rows": not world.any(not rows_are_own),
        "held": [held, sum(weight.numel() for weight in weights)],
    }


def of_model(world: Ranks, name: str, folder: Path) -> dict[str, Any]:
    """What differs where the weights of a model are shared out: samples, updates, and what a checkpoint brings back."""
    config = train_config(*SMOKE, "objective=grpo")
    policy = random_policy(name, spread=0.1)
    plain = replace(policy, model=copy.deepcopy(policy.model))
    drawn = draw(plain, prompts=7)
    objective = load_objective("grpo")
    alone = make_updater(plain, objective, config, OneProcess())
    expected = [alone.update(drawn[:count], 1e-4) for count in (13, 1)]

    sharing = replace(world, sharded=True)
    sharing.hold(policy)
    first = world.rank == 0
    with whole(policy.model):  # the others have nothing to draw or to measure
        again = draw(policy, prompts=7 if first else 0)
        trajectory_logprobs(policy, again, config)
    together = make_updater(policy, objective, config, sharing)
    found = [together.update(drawn[:count], 1e-4) for count in (13, 1)]
    weights, own = gathered_weights(policy.model, keep=True), plain.model.state_dict()
    assert weights is not None

    saved = save_checkpoint(folder, policy, together.optimizer, Progress(2), [], keep=1, writes=first)
    world.gather([None])  # until it is there
    resumed = make_updater(policy, objective, config, sharing)
    restore(saved, resumed.optimizer)
    kept, back = together.optimizer.state, resumed.optimizer.state
    equal = all(same(value, back[weight][key]) for weight, state in kept.items() for key, value in state.items())
    return {
        "samples": [[ids_of(item), ids_of(other)] for item, other in zip(drawn, again, strict=first)],
        "alone": expected,
        "together": found,
        "weights": max(float((weights[key] - value).abs().max()) for key, value in own.items()),
        "names": weights.keys() == own.keys(),
        "resumed": not world.any(not equal or kept.keys() != back.keys()),
        "parts": len(parts_of(policy.model)),
    }


def draw(policy: Policy, prompts: int) -> list[Trajectory]:
    """Two responses to each of so many prompts, with advantages of both signs and zero."""
    contexts = [[5 + p, 6, 7, 8 + p][: 1 + p % 4] for p in range(prompts)]
    requests = [
        Request(Key("eval", 0, p, k), contexts[p], Decoding(1.0, 6, (1,))) for p in range(prompts) for k in (0, 1)
    ]
    drawn = sorted(NativeSampler(policy, 0, 300).sample(iter(requests)), key=lambda item: item.key)
    return [
        single_turn(item.key, contexts[item.key.problem], item.token_T, item.logp_T, advantage=(-1.0) ** i * (i % 3))
        for i, item in enumerate(drawn)
    ]


def ids_of(item: Trajectory) -> list[int]:
    found: list[int] = item.token_L.tolist()
    return found


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors, sharded in the same way or not at all, are equal."""
    pair = [value.to_local() if isinstance(value, DTensor) else value for value in (one, other)]
    return type(one) is type(other) and torch.equal(*pair)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or ARCHITECTURES)
