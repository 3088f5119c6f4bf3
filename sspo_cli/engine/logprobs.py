"""Log-probabilities and entropies of trained tokens under a policy, without a [B, T, V] tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.device import microbatch_tokens
from sspo_cli.engine.microbatch import Microbatch, cut, to_microbatch
from sspo_cli.models.head import Projected, at_least_float32, of_logits, projection
from sspo_cli.models.policy import Policy
from sspo_cli.models.shards import computing
from sspo_cli.types import Trajectory, at_trained


def token_logprobs(
    policy: Policy, microbatch: Microbatch, temperature: float, *, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """log pi of every trained token, with gradient, and the entropy in nats, with or without: [B, T] each, at least
    float32, zero where masked.

    The logits are divided by the sampler's temperature, so that both see one distribution.
    """
    logp_N, entropy_N = computing(policy.model, lambda: measure(policy, microbatch, temperature))
    if not entropy_gradient:
        entropy_N = entropy_N.detach()
    mask_BT = microbatch.mask_BT
    blank_BT = logp_N.new_zeros(mask_BT.shape)
    return blank_BT.masked_scatter(mask_BT, logp_N), blank_BT.masked_scatter(mask_BT, entropy_N)


def measure(policy: Policy, microbatch: Microbatch, temperature: float) -> tuple[Tensor, Tensor]:
    """log pi of all N trained tokens, row by row, and the entropy: [N] each, both with gradient."""
    token_BL, mask_BT, predictor_N = microbatch.token_BL, microbatch.mask_BT, microbatch.predictor_N
    parts = projection(policy.model)
    token_N = microbatch.trained_BT[mask_BT]
    with policy.autocast(once=True):
        if parts is None:
            L = token_BL.shape[1]
            row_N, column_N = predictor_N // L, predictor_N % L
            first = int(column_N.min())
            logits_BLV = policy.model(token_BL, use_cache=False, logits_to_keep=L - first).logits
            logits_NV = logits_BLV[row_N, column_N - first]
            if policy.no_text_V is not None:
                logits_NV = logits_NV + policy.no_text_V
            logp_N, entropy_N = of_logits(logits_NV.to(at_least_float32(logits_NV.dtype)) / temperature, token_N)
        else:
            trunk, head = parts
            hidden_BLD = trunk(token_BL, use_cache=False).last_hidden_state
            hidden_ND = hidden_BLD.flatten(0, 1).index_select(0, predictor_N)
            bias_V = (
                head.bias if policy.no_text_V is None else policy.no_text_V + (0 if head.bias is None else head.bias)
            )
            logp_N, entropy_N = Projected.apply(hidden_ND, head.weight, bias_V, token_N, temperature)  # type: ignore[no-untyped-call]
    return logp_N, entropy_N


@torch.no_grad()
def trajectory_logprobs(policy: Policy, trajectories: Sequence[Trajectory], config: TrainConfig) -> list[Tensor]:
    """log pi of the trained tokens of every trajectory, each [L], NaN elsewhere, on the CPU."""
    found: dict[int, Tensor] = {}
    for places in cut([item.tokens for item in trajectories], microbatch_tokens(config.engine, policy.device)):
        group = [trajectories[place] for place in places]
        logp_BT, _ = token_logprobs(
            policy, to_microbatch(group, policy.pad_id, policy.device), config.rollout.temperature
        )
        for place, item, logp_T in zip(places, group, logp_BT.cpu(), strict=True):
            found[place] = at_trained(logp_T[: item.trained], item.trained_L)
    return [found[place] for place in range(len(trajectories))]
