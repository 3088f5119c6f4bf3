"""What each name of conf/objective promises: the formula of its paper, token by token, with its published constants.

Written from the papers alone: nothing is shared with the package, its oracle included. Every formula takes one
response: its log-ratios l_t, its log-probabilities and its advantage A. It returns the term J_i to maximise, before
the normaliser, and dJ_i / dlogp_t for each token by the closed form, never by differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Term = tuple[float, list[float]]
Formula = Callable[[list[float], list[float], float], Term]


@dataclass(frozen=True)
class Paper:
    """formula: of one response. omega: what a response of T tokens counts, of N, of all tokens M, of the limit L."""

    formula: Formula
    omega: Callable[[int, int, int, int], float]
    advantage: str


def grpo(eps_low: float, eps_high: float) -> Formula:
    """mean_t min(r A, clip(r) A); a token's weight is r where the minimum is the unclipped branch."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        terms, slopes = [], []
        for log_ratio in log_ratios:
            r = math.exp(log_ratio)
            clipped = max(1 - eps_low, min(1 + eps_high, r))
            terms.append(min(r * advantage, clipped * advantage))
            slopes.append(r * advantage if r * advantage <= clipped * advantage else 0.0)
        return fmean(terms), [slope / len(slopes) for slope in slopes]

    return formula


def gspo(eps_low: float, eps_high: float) -> Formula:
    """GRPO's term for one ratio s = exp(mean_t l_t): every token has weight s / T, or none has."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        s = math.exp(fmean(log_ratios))
        term, (slope,) = grpo(eps_low, eps_high)([math.log(s)], [], advantage)
        return term, [slope / len(log_ratios)] * len(log_ratios)

    return formula


def gspo_token(eps_low: float, eps_high: float) -> Formula:
    """mean_t min(s_t A, clip(s_t) A) where s_t has the value s and the slope s by log pi(y_t) alone."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        s, T = math.exp(fmean(log_ratios)), len(log_ratios)
        free, clipped = s * advantage, max(1 - eps_low, min(1 + eps_high, s)) * advantage
        return fmean([min(free, clipped)] * T), [s * advantage / T if free <= clipped else 0.0] * T

    return formula


def gmpo(eps_low: float, eps_high: float) -> Formula:
    """sgn(A) (prod_t |min(r A, clip(r, e^-eps_low, e^eps_high) A)|)^(1/T); a clipped token has weight 0."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        product, unclipped = 1.0, []
        for log_ratio in log_ratios:
            r = math.exp(log_ratio)
            clipped = max(math.exp(-eps_low), min(math.exp(eps_high), r))
            product *= abs(min(r * advantage, clipped * advantage))
            unclipped.append(r * advantage <= clipped * advantage)
        term = math.copysign(product ** (1 / len(log_ratios)), advantage) if advantage else 0.0
        return term, [term / len(log_ratios) if kept else 0.0 for kept in unclipped]

    return formula


def sapo(tau_pos: float, tau_neg: float, beta: float = 0.0) -> Formula:
    """mean_t 4/tau sigma(tau (r - 1)) A - beta (r - 1 - l); weight r sech^2(tau (r - 1) / 2) A - beta (r - 1)."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        tau, T = tau_pos if advantage > 0 else tau_neg, len(log_ratios)
        ratios = [math.exp(log_ratio) for log_ratio in log_ratios]
        gates = [4 / tau / (1 + math.exp(-tau * (r - 1))) for r in ratios]
        divergences = [r - 1 - log_ratio for r, log_ratio in zip(ratios, log_ratios, strict=True)]
        slopes = [r / math.cosh(tau * (r - 1) / 2) ** 2 * advantage - beta * (r - 1) for r in ratios]
        return fmean(gates) * advantage - beta * fmean(divergences), [slope / T for slope in slopes]

    return formula


def sspo(tau_pos: float, tau_neg: float) -> Formula:
    """A w, w = (prod_t f_t)^(1/T), log f = arctan(tau l) / tau; weight w / (1 + (tau l)^2)."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        tau, T = tau_pos if advantage > 0 else tau_neg, len(log_ratios)
        w = math.prod(math.exp(math.atan(tau * log_ratio) / tau) for log_ratio in log_ratios) ** (1 / T)
        return advantage * w, [advantage * w / (1 + (tau * log_ratio) ** 2) / T for log_ratio in log_ratios]

    return formula


def cispo(cap: float) -> Formula:
    """mean_t sg[min(r, cap)] A log pi: every token has a weight, whatever the sign of A."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        slopes = [min(math.exp(log_ratio), cap) * advantage / len(logps) for log_ratio in log_ratios]
        return sum(slope * logp for slope, logp in zip(slopes, logps, strict=True)), slopes

    return formula


def vespo(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
    """mean_t sg[phi(W)] A log pi, phi = e^lambda W^k e^(-lambda W), W = prod_t r_t; (k, lambda) = (2, 3) or (3, 2)."""
    k, decay = (2, 3) if advantage > 0 else (3, 2)
    W = math.prod(math.exp(log_ratio) for log_ratio in log_ratios)
    phi = math.exp(decay) * W**k * math.exp(-decay * W)
    return phi * advantage * fmean(logps), [phi * advantage / len(logps)] * len(logps)


def rloo(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
    """min(W A, clip(W, 0.8, 1.2) A), W = prod_t r_t: every token has the whole weight W, or none has."""
    W = math.prod(math.exp(log_ratio) for log_ratio in log_ratios)
    free, clipped = W * advantage, max(0.8, min(1.2, W)) * advantage
    return min(free, clipped), [free if free <= clipped else 0.0] * len(logps)


def reinforce(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
    """A sum_t log pi."""
    return advantage * sum(logps), [advantage] * len(logps)


def mean_log_probability(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
    """A mean_t log pi."""
    return fmean(logps) * advantage, [advantage / len(logps)] * len(logps)


def per_response(T: int, N: int, M: int, L: int) -> float:
    return 1 / N


def per_token(T: int, N: int, M: int, L: int) -> float:
    return T / M


def by_constant(T: int, N: int, M: int, L: int) -> float:
    return T / (N * L)


PAPERS: dict[str, Paper] = {
    "cispo": Paper(cispo(5.0), per_token, "group_zscore"),
    "dapo": Paper(grpo(0.2, 0.28), per_token, "group_zscore"),
    "dr_grpo": Paper(grpo(0.2, 0.2), by_constant, "group_mean"),
    "gmpo": Paper(gmpo(0.4, 0.4), per_response, "group_zscore"),
    "gpg": Paper(mean_log_probability, per_token, "group_mean_rescaled"),
    "grpo": Paper(grpo(0.2, 0.2), per_response, "group_zscore"),
    "gspo": Paper(gspo(3e-4, 4e-4), per_response, "group_zscore"),
    "gspo_token": Paper(gspo_token(3e-4, 4e-4), per_response, "group_zscore"),
    "ppo_clip": Paper(grpo(0.2, 0.2), per_token, "batch_zscore"),
    "reinforce": Paper(reinforce, per_response, "batch_mean"),
    "rloo": Paper(rloo, per_response, "leave_one_out"),
    "sapo": Paper(sapo(1.0, 1.05), per_response, "group_zscore"),
    "scopic": Paper(sapo(2.0, 2.0, beta=1.0), per_token, "group_zscore"),
    "sft": Paper(mean_log_probability, per_token, "none"),
    "sspo": Paper(sspo(10, 12), per_response, "group_zscore"),
    "vespo": Paper(vespo, per_token, "group_zscore"),
}


def update(
    paper: Paper,
    logp_BT: Array,
    old_logp_BT: Array,
    advantage_B: Array,
    mask_BT: NDArray[np.bool_],
    responses: int,
    tokens: int,
    max_response_length: int,
) -> tuple[float, Array]:
    """Loss -J and its gradient by logp_BT."""
    loss = 0.0
    gradient_BT = np.zeros_like(logp_BT)
    for i in range(len(logp_BT)):
        positions = [t for t in range(logp_BT.shape[1]) if mask_BT[i, t]]
        log_ratios = [float(logp_BT[i, t] - old_logp_BT[i, t]) for t in positions]
        term, slopes = paper.formula(log_ratios, [float(logp_BT[i, t]) for t in positions], float(advantage_B[i]))
        omega = paper.omega(len(positions), responses, tokens, max_response_length)
        loss -= omega * term
        for t, slope in zip(positions, slopes, strict=True):
            gradient_BT[i, t] = -omega * slope
    return loss, gradient_BT
