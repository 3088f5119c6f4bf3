"""The algebra: an objective is four parts and one short function.

J = sum_i omega_i * A_i * w_i        w_i = pool_t gate(ratio_it ; sign A_i)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch, masked_mean
from sspo_cli.objectives.correction import Correction
from sspo_cli.objectives.diagnostics import diagnose
from sspo_cli.objectives.gate import GammaGate, Gate
from sspo_cli.objectives.kl import KlPenalty
from sspo_cli.objectives.normalize import NORMALIZERS
from sspo_cli.objectives.pool import POOLS
from sspo_cli.objectives.ratio import RATIOS, token_log_ratio


@dataclass(frozen=True)
class Objective:
    """A policy-optimization objective as a pure function of tensors.

    ratio, pool, normalize: names in RATIOS, POOLS and NORMALIZERS.
    form: "surrogate" differentiates through the gate; "score" multiplies log pi by the gate held constant.
    kl, entropy_coef, correction: extras, none by default.
    """

    ratio: str
    gate: Gate
    pool: str
    normalize: str
    form: str
    kl: KlPenalty | None = None
    entropy_coef: float = 0.0
    correction: Correction | None = None

    def __call__(self, batch: PolicyBatch, counts: Counts) -> ObjectiveOutput:
        """-J of `batch` as its share of the update that `counts` describes; shares add up to the whole."""
        omega_B = NORMALIZERS[self.normalize](batch, counts)
        gain_B = batch.advantage_B * self.value(token_log_ratio(batch), batch)
        loss = -(omega_B * (gain_B - self.penalty(batch))).sum()
        return ObjectiveOutput(loss, lambda: self.diagnose(batch))

    def moves(self, advantage: float) -> bool:
        """Whether a response of this advantage has a part in the gradient."""
        return advantage != 0 or self.kl is not None or self.entropy_coef != 0

    @property
    def corrects_ratio(self) -> bool:
        """Whether the weight of the correction stands inside the gate, which then sees the ratio to the sampler (VESPO,
        arXiv 2602.10693, the authors' code). Under the other gates it multiplies their value."""
        return isinstance(self.gate, GammaGate)

    def without_penalties(self) -> Objective:
        """The same objective with neither KL penalty nor entropy bonus: what the advantage alone drives."""
        return replace(self, kl=None, entropy_coef=0.0)

    def token_weight(self, log_ratio_BT: Tensor, batch: PolicyBatch) -> Tensor:
        """f_it, or w_i at every token under the geometric pool: [B, T], from token log-ratios [B, T]."""
        if self.correction and self.correction.weight and self.corrects_ratio:
            log_ratio_BT = log_ratio_BT + self.correction.weight.log(batch)
        seen_BT = RATIOS[self.ratio](log_ratio_BT, batch.mask_BT)
        return POOLS[self.pool](self.gate(seen_BT, batch.advantage_B), batch.mask_BT)

    def weight(self, log_ratio_BT: Tensor, batch: PolicyBatch) -> Tensor:
        """w_i, [B], from token log-ratios [B, T]."""
        return masked_mean(self.token_weight(log_ratio_BT, batch), batch.mask_BT)

    def value(self, log_ratio_BT: Tensor, batch: PolicyBatch) -> Tensor:
        """What A_i multiplies, [B]: w_i, or mean_t sg[weight_it] log pi_it in the score form; corrected if asked."""
        value_BT = self.token_weight(log_ratio_BT, batch)
        if self.form == "score":
            value_BT = value_BT.detach() * batch.logp_BT
        if self.correction:
            value_BT = self.correction(batch, weighted=not self.corrects_ratio) * value_BT
        return masked_mean(value_BT, batch.mask_BT)

    def penalty(self, batch: PolicyBatch) -> Tensor:
        """What is taken from A_i times the value, [B]: the KL penalty less the entropy bonus."""
        penalty_B = torch.zeros_like(batch.advantage_B)
        if self.kl:
            penalty_B = penalty_B + self.kl(batch)
        if self.entropy_coef:
            penalty_B = penalty_B - self.entropy_coef * masked_mean(batch.needed("entropy_BT"), batch.mask_BT)
        return penalty_B

    def token_multiplier(self, batch: PolicyBatch) -> Tensor:
        """Coefficient of A * grad log pi of each token over what it is on-policy, [B, T]."""
        log_ratio_BT = token_log_ratio(batch).detach()
        if self.form == "score":
            multiplier_BT = self.token_weight(log_ratio_BT, batch)
            if self.correction:
                multiplier_BT = self.correction(batch, weighted=not self.corrects_ratio) * multiplier_BT
            return multiplier_BT
        with torch.enable_grad():
            log_ratio_BT.requires_grad_()
            (slope_BT,) = torch.autograd.grad(self.value(log_ratio_BT, batch).sum(), log_ratio_BT)
        # On-policy a mean over T tokens has slope 1/T, a product over them has slope 1.
        return slope_BT if self.ratio == "product" else slope_BT * batch.length_B[:, None]

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """The diagnostics of `batch`, the same for every objective; see `diagnostics.diagnose`."""
        with torch.no_grad():
            weight_B = self.weight(token_log_ratio(batch), batch)
            found = diagnose(batch, weight_B, self.token_multiplier(batch))
            for extra in (self.kl, self.correction):
                found |= extra.diagnose(batch) if extra else {}
            return found
