"""Gates: log f(r) as a function of the log-ratio l, chosen by the sign of the advantage.

Working with log f keeps one currency for both pools: the geometric pool averages it, the arithmetic pool
exponentiates it first. Gates in ratio space read x = r - 1 = expm1(l).

The multiplier of a token's policy gradient is d f / d l under the arithmetic pool and w * d log f / d l under the
geometric pool.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

Curve = Callable[[Tensor, Tensor], Tensor]

SMALLEST_GATE = 1e-6
ROOT_HALF_PI = math.sqrt(math.pi / 2)


class Gate(Protocol):
    """log f(r), elementwise: (log_ratio_BT, advantage_B) -> log_gate_BT."""

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class IdentityGate:
    """f(r) = r: no trust region."""

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        return log_ratio_BT


@dataclass(frozen=True)
class ConstantGate:
    """f(r) = 1: the policy gradient without importance weights; meaningful in the score form only."""

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        return torch.zeros_like(log_ratio_BT)


@dataclass(frozen=True)
class CapGate:
    """f(r) = min(r, e^upper), whatever the sign of A (CISPO, arXiv 2506.13585)."""

    upper: float

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        return log_ratio_BT.clamp(max=self.upper)


@dataclass(frozen=True)
class GammaGate:
    """f(r) = e^lambda r^k e^(-lambda r), with k and lambda by the sign of A; f(1) = 1 (VESPO, arXiv 2602.10693).

    f'(1) = k - lambda, so that it weighs log pi in the score form and has no place in the ratio form.
    """

    k_pos: float
    lambda_pos: float
    k_neg: float
    lambda_neg: float

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        k_B1 = by_sign(advantage_B, self.k_pos, self.k_neg, log_ratio_BT)
        lambda_B1 = by_sign(advantage_B, self.lambda_pos, self.lambda_neg, log_ratio_BT)
        return k_B1 * log_ratio_BT - lambda_B1 * torch.expm1(log_ratio_BT)


@dataclass(frozen=True)
class BoundGate:
    """One-sided clipping: l <= upper where A > 0, l >= lower elsewhere.

    Equals min(r A, clip(r) A) / A of PPO (arXiv 1707.06347, eq. 7) with upper = log(1 + eps_high) and
    lower = log(1 - eps_low), and GMPO's clipping (arXiv 2507.20673) with upper = eps_high and lower = -eps_low.
    ceiling: dual clip, l <= ceiling where A < 0 too (arXiv 1912.09729).
    """

    lower: float
    upper: float
    ceiling: float | None = None

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        clipped_above_BT = log_ratio_BT.clamp(max=self.upper)
        clipped_below_BT = log_ratio_BT.clamp(min=self.lower, max=self.ceiling)
        return torch.where(advantage_B[:, None] > 0, clipped_above_BT, clipped_below_BT)


@dataclass(frozen=True)
class SoftGate:
    """A smooth gate with temperature tau_pos where A > 0 and tau_neg elsewhere.

    one_sided: keep f(r) = r where the ratio moved against the advantage, as clipping does; needs f(1) = 1.
    """

    curve: Curve
    tau_pos: float
    tau_neg: float
    one_sided: bool = False

    def __call__(self, log_ratio_BT: Tensor, advantage_B: Tensor) -> Tensor:
        positive_B1 = advantage_B[:, None] > 0
        tau_B1 = by_sign(advantage_B, self.tau_pos, self.tau_neg, log_ratio_BT)
        log_gate_BT = self.curve(log_ratio_BT, tau_B1)
        if not self.one_sided:
            return log_gate_BT
        moved_with_advantage_BT = torch.where(positive_B1, log_ratio_BT > 0, log_ratio_BT < 0)
        return torch.where(moved_with_advantage_BT, log_gate_BT, log_ratio_BT)


def by_sign(advantage_B: Tensor, positive: float, other: float, like: Tensor) -> Tensor:
    """`positive` where A > 0 and `other` elsewhere: [B, 1] in the dtype of `like`."""
    # Two Python numbers would meet in float32 here, whatever the dtype of the ratios.
    return torch.where(advantage_B[:, None] > 0, like.new_full((), positive), other)


def log_of_one_plus(excess: Tensor) -> Tensor:
    """log(1 + excess), kept finite where rounding brings a small-tau gate to zero."""
    return torch.log1p(excess.clamp(min=SMALLEST_GATE - 1))


def sigmoid(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 4/tau * sigma(tau (r - 1)): SAPO (arXiv 2511.20347), Scopic (arXiv 2205.10047). f(1) = 2/tau."""
    return logsigmoid(tau * torch.expm1(log_ratio)) + torch.log(4 / tau)


def sigmoid_unit(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 1 + 4/tau * (sigma(tau (r - 1)) - 1/2), the sigmoid moved to f(1) = 1."""
    return log_of_one_plus(2 / tau * torch.tanh(tau * torch.expm1(log_ratio) / 2))


def arctan(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 1 + arctan(tau (r - 1)) / tau (gate study, arXiv 2602.19345, eq. 7)."""
    return log_of_one_plus(torch.atan(tau * torch.expm1(log_ratio)) / tau)


def erf(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 1 + sqrt(pi/2)/tau * erf(tau (r - 1) / sqrt 2) (gate study, eq. 6)."""
    return log_of_one_plus(ROOT_HALF_PI / tau * torch.erf(tau * torch.expm1(log_ratio) / math.sqrt(2)))


def softsign(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 1 + (r - 1) / sqrt(1 + tau^2 (r - 1)^2) (gate study, eq. 8)."""
    return log_of_one_plus(log_softsign(torch.expm1(log_ratio), tau))


def log_arctan(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """log f = arctan(tau l) / tau."""
    return torch.atan(tau * log_ratio) / tau


def arctan_log_ratio(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """f = 1 + arctan(tau l) / tau; positive for every l where tau > pi/2 only."""
    return log_of_one_plus(torch.atan(tau * log_ratio) / tau)


def log_erf(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """log f = sqrt(pi/2)/tau * erf(tau l / sqrt 2)."""
    return ROOT_HALF_PI / tau * torch.erf(tau * log_ratio / math.sqrt(2))


def log_softsign(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """log f = l / sqrt(1 + tau^2 l^2)."""
    return log_ratio * torch.rsqrt(1 + (tau * log_ratio).square())


def log_tanh(log_ratio: Tensor, tau: Tensor) -> Tensor:
    """log f = 2/tau * tanh(tau l / 2)."""
    return 2 / tau * torch.tanh(tau * log_ratio / 2)


CURVES: Mapping[str, Curve] = {
    "sigmoid": sigmoid,
    "sigmoid_unit": sigmoid_unit,
    "arctan": arctan,
    "erf": erf,
    "softsign": softsign,
    "log_arctan": log_arctan,
    "arctan_log_ratio": arctan_log_ratio,
    "log_erf": log_erf,
    "log_softsign": log_softsign,
    "log_tanh": log_tanh,
}
