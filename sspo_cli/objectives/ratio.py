"""Log importance ratios, per token or per sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_mean


def token_log_ratio(batch: PolicyBatch) -> Tensor:
    """l_it = log pi_theta - log pi_old, shape [B, T], at least float32, clamped to +-20, zero where masked."""
    return raw_log_ratio(batch).clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)


def raw_log_ratio(batch: PolicyBatch) -> Tensor:
    """l_it before clamping, shape [B, T], zero where masked.

    The mask selects before anything is computed: multiplying by it afterwards would keep a masked NaN alive.
    """
    dtype = torch.promote_types(batch.logp_BT.dtype, torch.float32)
    difference_BT = batch.logp_BT.to(dtype) - batch.old_logp_BT.to(dtype)
    return torch.where(batch.mask_BT, difference_BT, 0)


def sequence_log_ratio(log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """mean_t l_it at every token of its response, shape [B, T] (GSPO, arXiv 2507.18071, eq. 7)."""
    return masked_mean(log_ratio_BT, mask_BT)[:, None].expand_as(log_ratio_BT)


def apply_ratio(level: str, log_ratio_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Token log-ratios [B, T] seen at `level`: "token" or "sequence"."""
    return sequence_log_ratio(log_ratio_BT, mask_BT) if level == "sequence" else log_ratio_BT
