"""Log-probabilities and entropies of response tokens under the current policy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sspo_cli.engine.trajectory import Microbatch
from sspo_cli.rollout.sampler import at_least_float32


def response_logprobs(
    model: Any, microbatch: Microbatch, temperature: float, *, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """log pi of every response token, with gradient, and the entropy in nats, with or without: [B, T] each.

    Both are at least float32. The logits are divided by the sampler's temperature, so that both see one distribution.
    """
    T = microbatch.response_BT.shape[1]
    output = model(
        input_ids=microbatch.token_BL,
        attention_mask=microbatch.attention_BL,
        position_ids=microbatch.position_BL,
        logits_to_keep=T + 1,
        use_cache=False,
    )
    # The logits before a token predict it: drop those after the last.
    logits_BTV = output.logits[:, :-1]
    logp_BTV = torch.log_softmax(logits_BTV.to(at_least_float32(logits_BTV.dtype)) / temperature, dim=-1)
    logp_BT = logp_BTV.gather(-1, microbatch.response_BT[:, :, None]).squeeze(-1)
    with torch.set_grad_enabled(entropy_gradient and torch.is_grad_enabled()):
        entropy_BT = -(logp_BTV.exp() * logp_BTV).sum(-1)
    return logp_BT, entropy_BT
