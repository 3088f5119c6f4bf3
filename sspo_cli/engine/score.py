"""Log-probabilities of whole rollouts under a policy that does not learn from this pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.device import microbatch_tokens
from sspo_cli.engine.logprobs import response_logprobs
from sspo_cli.engine.parts import Parts
from sspo_cli.engine.trajectory import Trajectory, cut, to_microbatch
from sspo_cli.models.policy import Policy


def with_logps(trajectories: Sequence[Trajectory], parts: Parts, config: TrainConfig) -> list[Trajectory]:
    """The trajectories with the log-probabilities that the objective reads besides the sampler's.

    A correction starts the ratios from the trainer's own log-probabilities, before the first update; a KL penalty in
    the loss reads those of the reference policy.
    """
    objective, scored = config.objective, list(trajectories)
    if objective.correction.level != "none":
        logps = score(parts.policy, scored, config)
        scored = [
            replace(item, old_logp_T=logp_T, rollout_logp_T=item.old_logp_T)
            for item, logp_T in zip(scored, logps, strict=True)
        ]
    if parts.reference is not None and objective.kl.place == "loss":
        with parts.reference.active() as reference:
            logps = score(reference, scored, config)
        scored = [replace(item, reference_logp_T=logp_T) for item, logp_T in zip(scored, logps, strict=True)]
    return scored


@torch.no_grad()
def score(policy: Policy, trajectories: Sequence[Trajectory], config: TrainConfig) -> list[Tensor]:
    """log pi of every token of every response, in order, each [T_i], on the CPU."""
    logps: dict[int, Tensor] = {}
    for group in cut(trajectories, microbatch_tokens(config.engine, policy.device)):
        microbatch = to_microbatch(group, policy.pad_id, policy.device)
        logp_BT, _ = response_logprobs(policy, microbatch, config.rollout.temperature)
        logps |= {id(item): row[: len(item.response)].cpu() for item, row in zip(group, logp_BT, strict=True)}
    return [logps[id(item)] for item in trajectories]
