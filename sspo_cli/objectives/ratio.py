"""Log importance ratios, per token or per sequence: [B, T] -> [B, T]."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_difference, masked_mean

Ratio = Callable[[Tensor, Tensor], Tensor]


def token_log_ratio(batch: PolicyBatch) -> Tensor:
    """l_it = log pi_theta - log pi_old, shape [B, T], at least float32, clamped to +-20, zero where masked."""
    return raw_log_ratio(batch).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def raw_log_ratio(batch: PolicyBatch) -> Tensor:
    """l_it before clamping, shape [B, T], zero where masked."""
    return masked_difference(batch.logp_BT, batch.old_logp_BT, batch.mask_BT)


def token(log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """l_it itself."""
    return log_ratio_BT


def sequence(log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """mean_t l_it at every token of its response (GSPO, arXiv 2507.18071, eq. 7)."""
    return masked_mean(log_ratio_BT, mask_BT)[:, None].expand_as(log_ratio_BT)


def sequence_token(log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """The value of `sequence`, with the gradient of each token flowing to that token alone (GSPO-token, same paper)."""
    return sequence(log_ratio_BT, mask_BT).detach() + log_ratio_BT - log_ratio_BT.detach()


def product(log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """sum_t l_it at every token of its response, clamped to +-20: the ratio of whole responses (RLOO, VESPO)."""
    log_product_B = torch.where(mask_BT, log_ratio_BT, 0).sum(-1)
    return log_product_B.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)[:, None].expand_as(log_ratio_BT)


RATIOS: Mapping[str, Ratio] = {
    "token": token,
    "sequence": sequence,
    "sequence_token": sequence_token,
    "product": product,
}
