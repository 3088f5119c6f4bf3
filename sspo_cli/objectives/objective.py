"""The algebra: an objective is four parts and one short function.

J = sum_i omega_i * A_i * w_i        w_i = pool_t gate(ratio_it ; sign A_i)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch, masked_mean
from sspo_cli.objectives.diagnostics import diagnose
from sspo_cli.objectives.gate import Gate
from sspo_cli.objectives.normalize import NORMALIZERS
from sspo_cli.objectives.pool import POOLS
from sspo_cli.objectives.ratio import apply_ratio, token_log_ratio


@dataclass(frozen=True)
class Objective:
    """A policy-optimization objective as a pure function of tensors.

    ratio: "token" or "sequence". pool: "arithmetic" or "geometric". normalize: "response", "token" or "constant".
    form: "ratio" differentiates through the gate; "score" multiplies log pi by the gate held constant.
    """

    ratio: str
    gate: Gate
    pool: str
    normalize: str
    form: str

    def __call__(self, batch: PolicyBatch, counts: Counts) -> ObjectiveOutput:
        """-J of `batch` as its share of the update that `counts` describes; shares add up to the whole."""
        log_ratio_BT = token_log_ratio(batch)
        omega_B = NORMALIZERS[self.normalize](batch, counts)
        value_B = self.score(batch, log_ratio_BT) if self.form == "score" else self.weight(log_ratio_BT, batch)
        loss = -(omega_B * batch.advantage_B * value_B).sum()
        return ObjectiveOutput(loss, lambda: self.diagnose(batch))

    def log_gate(self, log_ratio_BT: Tensor, batch: PolicyBatch) -> Tensor:
        """log f of every token, [B, T], from token log-ratios [B, T]."""
        return self.gate(apply_ratio(self.ratio, log_ratio_BT, batch.mask_BT), batch.advantage_B)

    def weight(self, log_ratio_BT: Tensor, batch: PolicyBatch) -> Tensor:
        """w_i, [B], from token log-ratios [B, T]."""
        return POOLS[self.pool](self.log_gate(log_ratio_BT, batch), batch.mask_BT)

    def score(self, batch: PolicyBatch, log_ratio_BT: Tensor) -> Tensor:
        """mean_t sg[f_it] log pi_it, or sg[w_i] mean_t log pi_it under the geometric pool: [B]."""
        with torch.no_grad():
            gate_BT = torch.exp(self.log_gate(log_ratio_BT, batch))
            weight_B1 = self.weight(log_ratio_BT, batch)[:, None]
        return masked_mean((gate_BT if self.pool == "arithmetic" else weight_B1) * batch.logp_BT, batch.mask_BT)

    def token_multiplier(self, batch: PolicyBatch) -> Tensor:
        """Coefficient of A * grad log pi of each token before omega / T_i, [B, T]; 1 on-policy when f'(1) = 1."""
        if self.form == "score":
            log_ratio_BT = token_log_ratio(batch).detach()
            gate_BT = torch.exp(self.log_gate(log_ratio_BT, batch))
            weight_BT = self.weight(log_ratio_BT, batch)[:, None].expand_as(gate_BT)
            return gate_BT if self.pool == "arithmetic" else weight_BT
        with torch.enable_grad():
            log_ratio_BT = token_log_ratio(batch).detach().requires_grad_()
            weight_B = self.weight(log_ratio_BT, batch)
            (slope_BT,) = torch.autograd.grad(weight_B.sum(), log_ratio_BT)
        return slope_BT * batch.length_B[:, None]

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """The diagnostics of `batch`, the same for every objective; see `diagnostics.diagnose`."""
        with torch.no_grad():
            log_ratio_BT = token_log_ratio(batch)
            return diagnose(batch, self.weight(log_ratio_BT, batch), self.token_multiplier(batch))
