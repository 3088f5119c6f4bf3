"""Weights and masks for the gap between the policy that sampled and the policy that ratios start from."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_difference, masked_mean


@dataclass(frozen=True)
class Weight:
    """pi_old / pi_rollout truncated to [floor, cap], held constant: of each token, or the product over the response."""

    level: str
    floor: float
    cap: float

    def log(self, batch: PolicyBatch) -> Tensor:
        """The logarithm of the weight, [B, T], zero where masked at level "token" if floor <= 1 <= cap."""
        low = math.log(self.floor) if self.floor else -LOG_RATIO_LIMIT
        return log_ratio(batch, self.level).clamp(min=low, max=math.log(self.cap))

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """correction/mean: the mean weight. correction/capped, correction/floored: the shares of tokens that each bound
        cuts."""
        log_ratio_n = log_ratio(batch, self.level)[batch.mask_BT]
        found = {
            "correction/mean": self.log(batch).exp()[batch.mask_BT].mean(),
            "correction/capped": (log_ratio_n > math.log(self.cap)).to(log_ratio_n.dtype).mean(),
        }
        if self.floor:
            found["correction/floored"] = (log_ratio_n < math.log(self.floor)).to(log_ratio_n.dtype).mean()
        return found


@dataclass(frozen=True)
class Mask:
    """1 where low <= pi_old / pi_rollout <= high, else 0.

    level: "token" compares the ratio of each token (IcePop, arXiv 2510.18855); "sequence" the product over the
    response, and "sequence_mean" its geometric mean, both for the whole response.
    """

    level: str
    low: float
    high: float

    def __call__(self, batch: PolicyBatch) -> Tensor:
        """[B, T]."""
        log_ratio_BT = log_ratio(batch, self.level)
        low = math.log(self.low) if self.low else -math.inf
        return ((log_ratio_BT >= low) & (log_ratio_BT <= math.log(self.high))).to(log_ratio_BT.dtype)

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """correction/masked: the share of tokens outside the band."""
        return {"correction/masked": 1 - self(batch)[batch.mask_BT].mean()}


@dataclass(frozen=True)
class NegativeMask:
    """0 for responses of negative advantage whose mean log(pi_sampler / pi_theta) exceeds `above`, else 1.

    Off-policy sequence masking (DeepSeek-V3.2, arXiv 2512.02556). sampler: the name of the sampler's log-probabilities
    in `PolicyBatch`, old_logp_BT where ratios start from them.
    """

    above: float
    sampler: str

    def __call__(self, batch: PolicyBatch) -> Tensor:
        """[B]."""
        sampler_BT = batch.needed(self.sampler)
        gap_B = masked_mean(masked_difference(sampler_BT, batch.logp_BT.detach(), batch.mask_BT), batch.mask_BT)
        return 1 - ((batch.advantage_B < 0) & (gap_B > self.above)).to(gap_B.dtype)

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """correction/dropped: the share of responses that are left out."""
        return {"correction/dropped": 1 - self(batch).mean()}


@dataclass(frozen=True)
class Correction:
    """What multiplies the value of a response, held constant. Denominators of the loss stay as they are.

    Sampler and trainer differ by their arithmetic, or by the updates between them under rollout.staleness.
    """

    weight: Weight | None = None
    mask: Mask | None = None
    negatives: NegativeMask | None = None

    def __call__(self, batch: PolicyBatch, *, weighted: bool) -> Tensor:
        """[B, T], zero to the cap; without the weight where the ratio takes it (`Objective.corrects_ratio`)."""
        factor_BT = torch.ones_like(masked_difference(batch.old_logp_BT, batch.old_logp_BT, batch.mask_BT))
        if self.weight and weighted:
            factor_BT = factor_BT * self.weight.log(batch).exp()
        if self.mask:
            factor_BT = factor_BT * self.mask(batch)
        if self.negatives:
            factor_BT = factor_BT * self.negatives(batch)[:, None]
        return factor_BT

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """The diagnostics of the parts that there are."""
        parts = (self.weight, self.mask, self.negatives)
        return {name: value for part in parts if part for name, value in part.diagnose(batch).items()}


def log_ratio(batch: PolicyBatch, level: str) -> Tensor:
    """log pi_old - log pi_rollout, [B, T], zero where masked at level "token"; at level "sequence" the sum over the
    response, at "sequence_mean" the mean."""
    log_ratio_BT = masked_difference(batch.old_logp_BT, batch.needed("rollout_logp_BT"), batch.mask_BT).detach()
    if level == "sequence":
        log_ratio_BT = log_ratio_BT.sum(-1, keepdim=True).expand_as(log_ratio_BT)
    if level == "sequence_mean":
        log_ratio_BT = masked_mean(log_ratio_BT, batch.mask_BT)[:, None].expand_as(log_ratio_BT)
    return log_ratio_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)
