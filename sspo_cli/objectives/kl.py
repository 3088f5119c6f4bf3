"""A penalty on the Kullback-Leibler divergence between the current policy and another, from sampled tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_difference, masked_mean

Estimator = Callable[[Tensor], Tensor]


def k1(x: Tensor) -> Tensor:
    """-x: unbiased, of either sign."""
    return -x


def k2(x: Tensor) -> Tensor:
    """x^2 / 2: biased. Its gradient is that of KL(p || q) where p is the policy that learns."""
    return x.square() / 2


def k3(x: Tensor) -> Tensor:
    """e^x - 1 - x: unbiased and never negative."""
    return torch.expm1(x) - x


# Of KL(p || q) from tokens drawn from p, with x = log q - log p (Schulman 2020, "Approximating KL divergence").
ESTIMATORS: Mapping[str, Estimator] = {"k1": k1, "k2": k2, "k3": k3}


@dataclass(frozen=True)
class KlPenalty:
    """coef times the mean over tokens of an estimate of KL(old || current), or of KL(current || reference).

    The tokens are those of the rollout: against the reference they count as drawn from the current policy, as in GRPO
    (arXiv 2402.03300, eq. 4), whatever the ratio.
    """

    coef: float
    against: str
    estimator: str

    def __call__(self, batch: PolicyBatch) -> Tensor:
        """[B], in the units of a reward."""
        if self.against == "old":
            x_BT = masked_difference(batch.logp_BT, batch.old_logp_BT, batch.mask_BT)
        else:
            x_BT = masked_difference(batch.needed("reference_logp_BT"), batch.logp_BT, batch.mask_BT)
        return self.coef * masked_mean(self.per_token(x_BT), batch.mask_BT)

    def diagnose(self, batch: PolicyBatch) -> dict[str, Tensor]:
        """policy/kl_reference: the mean of k3 over tokens against the reference, in nats, whatever the estimator."""
        if self.against == "old":
            return {}
        x_BT = masked_difference(batch.needed("reference_logp_BT"), batch.logp_BT, batch.mask_BT)
        return {"policy/kl_reference": k3(x_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))[batch.mask_BT].mean()}

    def per_token(self, x_BT: Tensor) -> Tensor:
        """The estimate at every token from x = log q - log p, clamped to +-20."""
        return ESTIMATORS[self.estimator](x_BT.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))
