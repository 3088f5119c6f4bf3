"""Log-probabilities and entropies of response tokens under the current policy, without a [B, T, V] tensor."""

from __future__ import annotations

from torch import Tensor

from sspo_cli.engine.trajectory import Microbatch
from sspo_cli.models.head import Projected, at_least_float32, of_logits, projection
from sspo_cli.models.policy import Policy


def response_logprobs(
    policy: Policy, microbatch: Microbatch, temperature: float, *, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """log pi of every response token, with gradient, and the entropy in nats, with or without: [B, T] each, at least
    float32, zero where masked.

    The logits are divided by the sampler's temperature, so that both see one distribution.
    """
    mask_BT, T = microbatch.mask_BT, microbatch.mask_BT.shape[1]
    inputs = {
        "input_ids": microbatch.token_BL,
        "attention_mask": microbatch.attention_BL,
        "position_ids": microbatch.position_BL,
        "use_cache": False,
    }
    parts = projection(policy.model)
    token_N = microbatch.response_BT[mask_BT]
    # What stands before a token predicts it: of the last T + 1 positions, all but the very last.
    with policy.autocast():
        if parts is None:
            logits_NV = policy.model(**inputs, logits_to_keep=T + 1).logits[:, :-1][mask_BT]
            logp_N, entropy_N = of_logits(logits_NV.to(at_least_float32(logits_NV.dtype)) / temperature, token_N)
        else:
            trunk, head = parts
            hidden_ND = trunk(**inputs).last_hidden_state[:, -T - 1 : -1][mask_BT]
            logp_N, entropy_N = Projected.apply(hidden_ND, head.weight, head.bias, token_N, temperature)  # type: ignore[no-untyped-call]
    if not entropy_gradient:
        entropy_N = entropy_N.detach()
    blank_BT = logp_N.new_zeros(mask_BT.shape)
    return blank_BT.masked_scatter(mask_BT, logp_N), blank_BT.masked_scatter(mask_BT, entropy_N)
