"""Pools: the weight of each token's term, whose mean over the response is its weight w_i: [B, T] -> [B, T]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sspo_cli.objectives.batch import masked_mean

Pool = Callable[[Tensor, Tensor], Tensor]


def arithmetic(log_gate_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """f_it, so that w_i = mean_t f_it (PPO, GRPO, SAPO)."""
    return torch.exp(log_gate_BT)


def geometric(log_gate_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """w_i = (prod_t f_it)^(1/T_i) at every token (GMPO, SSPO)."""
    return torch.exp(masked_mean(log_gate_BT, mask_BT))[:, None].expand_as(log_gate_BT)


POOLS: Mapping[str, Pool] = {"arithmetic": arithmetic, "geometric": geometric}
