"""One token from a distribution and a uniform number."""

from __future__ import annotations

import torch
from torch import Tensor

from sspo_cli.models.head import at_least_float32

# Tokens summed at once: of a large vocabulary only the block that holds the token is gone through one by one.
BLOCK = 1024


def sample_token(logits_RV: Tensor, uniform_R: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """One token per row by inverting its cumulative distribution at uniform_R, and its log-probability: [R], [R].

    Temperature 0 takes the most likely token, with its log-probability at temperature 1.
    """
    logp_RV = torch.log_softmax(logits_RV.to(at_least_float32(logits_RV.dtype)) / (temperature or 1.0), dim=-1)
    token_R1 = logp_RV.argmax(-1, keepdim=True) if temperature == 0 else invert(logp_RV.exp(), uniform_R[:, None])
    return token_R1.squeeze(1), logp_RV.gather(1, token_R1).squeeze(1)


def invert(probability_RV: Tensor, uniform_R1: Tensor) -> Tensor:
    """The first token of each row whose cumulative probability exceeds uniform_R1, [R, 1]."""
    R, V = probability_RV.shape
    blocks = -(-V // BLOCK)
    size = min(V, BLOCK)
    probability_RKB = torch.nn.functional.pad(probability_RV, (0, blocks * size - V)).view(R, blocks, size)
    # In double precision, or the rounding of 10^5 summands would favour some tokens.
    mass_RK = probability_RKB.sum(-1, dtype=torch.float64)
    cumulative_RK = mass_RK.cumsum(-1)
    target_R1 = uniform_R1.double() * cumulative_RK[:, -1:]
    block_R1 = first_above(cumulative_RK, target_R1)
    before_R1 = cumulative_RK.gather(1, block_R1) - mass_RK.gather(1, block_R1)
    inside_RB = probability_RKB.take_along_dim(block_R1[:, :, None], dim=1).squeeze(1)
    return block_R1 * size + first_above(inside_RB.cumsum(-1, dtype=torch.float64), target_R1 - before_R1)


def first_above(cumulative_RN: Tensor, target_R1: Tensor) -> Tensor:
    """The first place of each row whose value exceeds the target, which rounding may have put at the row's end."""
    end_R1 = cumulative_RN[:, -1:]
    below_R1 = torch.nextafter(end_R1, torch.zeros_like(end_R1))
    return torch.searchsorted(cumulative_RN, torch.minimum(target_R1, below_R1), right=True)
