"""Truncated importance weights for the gap between the policy that sampled and the policy that ratios start from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_difference


@dataclass(frozen=True)
class Correction:
    """min(pi_old / pi_rollout, cap), held constant: of each token, or of the whole response (a product).

    Sampler and trainer differ by their arithmetic, or by the updates between them under rollout.staleness.
    """

    level: str
    cap: float

    def __call__(self, batch: PolicyBatch) -> Tensor:
        """[B, T], zero to `cap`."""
        return self.log_weight(batch).exp()

    def log_weight(self, batch: PolicyBatch) -> Tensor:
        """The logarithm of the weight, [B, T], zero where masked at level "token"."""
        return self.log_ratio(batch).clamp(max=math.log(self.cap))

    def log_ratio(self, batch: PolicyBatch) -> Tensor:
        """log pi_old - log pi_rollout, [B, T], summed over the response at level "sequence"."""
        log_ratio_BT = masked_difference(batch.old_logp_BT, batch.needed("rollout_logp_BT"), batch.mask_BT).detach()
        if self.level == "sequence":
            log_ratio_BT = log_ratio_BT.sum(-1, keepdim=True).expand_as(log_ratio_BT)
        return log_ratio_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """correction/mean: the mean weight; correction/capped: the share of tokens whose weight the cap cut."""
        weight_n, log_ratio_n = self(batch)[batch.mask_BT], self.log_ratio(batch)[batch.mask_BT]
        capped_n = (log_ratio_n > math.log(self.cap)).to(weight_n.dtype)
        return {"correction/mean": weight_n.mean(), "correction/capped": capped_n.mean()}
