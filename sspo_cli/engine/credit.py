"""From scored groups to trajectories: what is taken from rewards, and advantages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sspo_cli.config.schema import OverlongSection, TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Problem
from sspo_cli.engine.logprobs import trajectory_logprobs
from sspo_cli.engine.world import World, shared
from sspo_cli.models.policy import Policy
from sspo_cli.models.reference import Reference
from sspo_cli.models.shards import whole
from sspo_cli.objectives.advantage import ADVANTAGES
from sspo_cli.objectives.kl import KlPenalty
from sspo_cli.rollout.collect import Collected, Group, errors_of, metrics_of, tokens_of
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.timing import phase
from sspo_cli.types import Key, Trajectory, single_turn


def to_rollout(collected: Collected, reference: Reference | None, config: TrainConfig) -> Rollout:
    """What a step learns from. reference: read by a KL penalty in the reward."""
    kept = collected.kept
    trajectories, shaping = compute_advantages(kept, reference, config)
    return Rollout(
        trajectories=trajectories,
        samples=rows_of(kept, trajectories, shaping),
        prompts=len(collected.groups),
        tokens=tokens_of(collected.groups),
        metrics={
            **metrics_of(collected.groups),
            **({"reward/errors": errors_of(collected.groups)} if config.reward.on_error == "skip" else {}),
            "prompts/kept": sum(not group.tied for group in kept),
            **{f"shaping/{name}": float(value_B.mean()) for name, value_B in shaping.items()},
        },
    )


def compute_advantages(
    groups: Sequence[Group], reference: Reference | None, config: TrainConfig
) -> tuple[list[Trajectory], dict[str, Tensor]]:
    """Compare every response with its group, by its reward and what the objective adds to it.

    Returns:
        A trajectory for each response, in order, and the terms added to the rewards by name, each [B].
    """
    objective = config.objective
    trajectories = [
        single_turn(item.key, group.context_S, item.token_T, item.logp_T, version=item.version)
        for group in groups
        for item in group.completions
    ]
    reward_PG = torch.cat([group.rewards_1G for group in groups])
    shaping: dict[str, Tensor] = {}
    with phase("reward"):
        if objective.overlong.penalty:
            shaping["overlong"] = -overlong(trajectories, objective.overlong, config.rollout.max_response_length)
        if reference is not None and objective.kl.place == "reward":
            shaping["kl"] = -kl_of_responses(trajectories, reference, config)
    added_BS = torch.stack([torch.zeros(reward_PG.numel()), *shaping.values()], dim=1).double()
    shaped_PG = reward_PG + added_BS.sum(1).reshape(reward_PG.shape)
    size_P = torch.tensor([group.largest_part for group in groups], dtype=torch.float64)
    size_P = torch.maximum(size_P, added_BS.abs().amax(1).reshape(reward_PG.shape).amax(1))
    advantage_B = ADVANTAGES[objective.advantage](shaped_PG, size_P).flatten().tolist()
    learned = [replace(item, advantage=advantage) for item, advantage in zip(trajectories, advantage_B, strict=True)]
    return learned, shaping


def rows_of(
    groups: Sequence[Group], trajectories: Sequence[Trajectory], shaping: Mapping[str, Tensor]
) -> list[SampleRow]:
    places = [(group, k) for group in groups for k in range(len(group.completions))]
    return [
        SampleRow(
            step=item.key.step,
            problem=group.problem.id,
            prompt=group.problem.text,
            response=group.texts[k],
            answer=answer if isinstance(answer := group.problem.answer, str) else list(answer),
            reward=group.rewards[k],
            reward_parts=group.scores[k].parts,
            shaping={name: float(value_B[i]) for name, value_B in shaping.items()} if shaping else None,
            advantage=item.advantage,
            length=item.trained,
            truncated=group.completions[k].truncated,
            error=group.scores[k].error,
            rendered=group.rendered,
            spelled=group.spelled[k],
        )
        for i, ((group, k), item) in enumerate(zip(places, trajectories, strict=True))
    ]


def reference_solutions(encoder: Encoder, problems: Sequence[Problem], step: int) -> Rollout:
    """The reference solutions of `problems`, each with advantage 1, as the rollout of step `step`."""
    trajectories = [
        single_turn(Key("train", step, p, 0), encoder.prompt(item), encoder.solution(item), None, advantage=1.0)
        for p, item in enumerate(problems)
    ]
    tokens = sum(item.trained for item in trajectories)
    metrics = {
        "response/length": tokens / len(trajectories),
        "tokens/generated": tokens,
        "prompts/generated": len(problems),
    }
    return Rollout(trajectories, [], len(problems), tokens, metrics)


def overlong(trajectories: Sequence[Trajectory], section: OverlongSection, max_response_length: int) -> Tensor:
    """DAPO's soft limit on length (arXiv 2503.14476), [B]: 0 up to the buffer, growing to the penalty at its end."""
    length_B = torch.tensor([float(item.trained) for item in trajectories])
    buffer = section.buffer * max_response_length
    return section.penalty * ((length_B - (max_response_length - buffer)) / buffer).clamp(0, 1)


def kl_of_responses(trajectories: Sequence[Trajectory], reference: Reference, config: TrainConfig) -> Tensor:
    """kl.coef times the estimate of KL(sampler || reference), summed over the tokens of each response: [B]."""
    kl = config.objective.kl
    penalty = KlPenalty(kl.coef, kl.against, kl.estimator)
    with reference.active() as policy:
        logps = trajectory_logprobs(policy, trajectories, config)
    sums = [
        penalty.per_token((reference_L - item.sampled_logp_L)[item.trained_L]).sum()
        for reference_L, item in zip(logps, trajectories, strict=True)
        if item.sampled_logp_L is not None
    ]
    return kl.coef * torch.stack(sums)


def with_logprobs(
    trajectories: Sequence[Trajectory],
    policy: Policy,
    reference: Reference | None,
    config: TrainConfig,
    world: World,
) -> list[Trajectory]:
    """The trajectories with the log-probabilities that the objective reads besides the sampler's.

    A correction starts the ratios from the trainer's own log-probabilities, before the first update; a KL penalty in
    the loss reads those of the reference policy.
    """
    objective, found = config.objective, list(trajectories)
    if objective.correction.compares:
        with whole(policy.model):
            logps = shared_logprobs(policy, found, config, world)
        found = [replace(item, trainer_logp_L=logp_L) for item, logp_L in zip(found, logps, strict=True)]
    if reference is not None and objective.kl.place == "loss":
        with reference.active() as reference_policy:
            logps = shared_logprobs(reference_policy, found, config, world)
        found = [replace(item, reference_logp_L=logp_L) for item, logp_L in zip(found, logps, strict=True)]
    return found


def shared_logprobs(
    policy: Policy, trajectories: Sequence[Trajectory], config: TrainConfig, world: World
) -> list[Tensor]:
    """`trajectory_logprobs`, each rank having computed its share."""
    return shared(
        world,
        [item.tokens for item in trajectories],
        lambda places: trajectory_logprobs(policy, [trajectories[place] for place in places], config),
    )
