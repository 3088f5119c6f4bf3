"""The objectives a second time: plain Python, one token at a time, from the formulas of the papers.

Every formula takes one response: its log-ratios l_t, its log-probabilities and its advantage A. It returns the term J_i
to maximise, before the normaliser, and dJ_i / dlogp_t for each token by the closed form, never by differentiation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Term = tuple[float, list[float]]
Formula = Callable[[list[float], list[float], float], Term]
Value = Callable[[float, float], tuple[float, float]]


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


def sapo(tau_pos: float, tau_neg: float) -> Formula:
    """mean_t 4/tau sigma(tau (r - 1)) A; a token's weight is r sech^2(tau (r - 1) / 2)."""

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        tau = tau_pos if advantage > 0 else tau_neg
        ratios = [math.exp(log_ratio) for log_ratio in log_ratios]
        terms = [4 / tau * sigma(tau * (r - 1)) * advantage for r in ratios]
        slopes = [r / math.cosh(tau * (r - 1) / 2) ** 2 * advantage / len(ratios) for r in ratios]
        return fmean(terms), slopes

    return formula


def sft(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
    """mean_t log pi, times A = 1 for a solution to imitate."""
    return fmean(logps) * advantage, [advantage / len(logps)] * len(logps)


def pooled(value: Value, pool: str, level: str, form: str) -> Formula:
    """A value(l, A) = (f, kappa) with kappa = r f'(r) / f(r), pooled.

    Arithmetic: mean_t f A, weight f kappa. Geometric: w = (prod_t f)^(1/T), weight w kappa. Form "score": the same f
    or w, held constant, times log pi. Level "sequence": each l_t is replaced by the mean of the l_t.
    """

    def formula(log_ratios: list[float], logps: list[float], advantage: float) -> Term:
        T = len(log_ratios)
        seen = [fmean(log_ratios)] * T if level == "sequence" else log_ratios
        values, kappas = zip(*(value(log_ratio, advantage) for log_ratio in seen), strict=True)
        weight = fmean(values) if pool == "arithmetic" else math.prod(f ** (1 / T) for f in values)
        held = list(values) if pool == "arithmetic" else [weight] * T
        if form == "score":
            return advantage * fmean(h * p for h, p in zip(held, logps, strict=True)), [advantage * h / T for h in held]
        return advantage * weight, [advantage * h * kappa / T for h, kappa in zip(held, kappas, strict=True)]

    return formula


def identity(log_ratio: float, advantage: float) -> tuple[float, float]:
    return math.exp(log_ratio), 1.0


def constant(log_ratio: float, advantage: float) -> tuple[float, float]:
    return 1.0, 0.0


def clip(low: float, high: float) -> Value:
    """r held below `high` where A > 0 and above `low` where A < 0."""

    def value(log_ratio: float, advantage: float) -> tuple[float, float]:
        r = math.exp(log_ratio)
        if advantage > 0:
            return (high, 0.0) if r > high else (r, 1.0)
        return (low, 0.0) if r < low else (r, 1.0)

    return value


def soft(name: str, tau_pos: float, tau_neg: float, one_sided: bool) -> Value:
    """A row of GATES with tau by the sign of A; one-sided: r itself where the ratio moved against A."""

    def value(log_ratio: float, advantage: float) -> tuple[float, float]:
        if one_sided and log_ratio * (1 if advantage > 0 else -1) <= 0:
            return identity(log_ratio, advantage)
        return GATES[name](math.exp(log_ratio), log_ratio, tau_pos if advantage > 0 else tau_neg)

    return value


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def sigmoid(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    return 4 / tau * sigma(tau * (r - 1)), tau * r * sigma(-tau * (r - 1))


def sigmoid_unit(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    p = sigma(tau * (r - 1))
    f = 1 + 4 / tau * (p - 0.5)
    return f, 4 * r * p * sigma(-tau * (r - 1)) / f


def arctan(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    f = 1 + math.atan(tau * (r - 1)) / tau
    return f, r / ((1 + tau**2 * (r - 1) ** 2) * f)


def erf(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    f = 1 + math.sqrt(math.pi / 2) / tau * math.erf(tau * (r - 1) / math.sqrt(2))
    return f, r * math.exp(-((tau * (r - 1)) ** 2) / 2) / f


def softsign(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    f = 1 + (r - 1) / math.sqrt(1 + tau**2 * (r - 1) ** 2)
    return f, r * (1 + tau**2 * (r - 1) ** 2) ** -1.5 / f


def log_arctan(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    return math.exp(math.atan(tau * log_ratio) / tau), 1 / (1 + (tau * log_ratio) ** 2)


def log_erf(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    f = math.exp(math.sqrt(math.pi / 2) / tau * math.erf(tau * log_ratio / math.sqrt(2)))
    return f, math.exp(-((tau * log_ratio) ** 2) / 2)


def log_softsign(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    f = math.exp(log_ratio / math.sqrt(1 + (tau * log_ratio) ** 2))
    return f, (1 + (tau * log_ratio) ** 2) ** -1.5


def log_tanh(r: float, log_ratio: float, tau: float) -> tuple[float, float]:
    return math.exp(2 / tau * math.tanh(tau * log_ratio / 2)), 1 / math.cosh(tau * log_ratio / 2) ** 2


GATES: dict[str, Callable[[float, float, float], tuple[float, float]]] = {
    "sigmoid": sigmoid,
    "sigmoid_unit": sigmoid_unit,
    "arctan": arctan,
    "erf": erf,
    "softsign": softsign,
    "log_arctan": log_arctan,
    "log_erf": log_erf,
    "log_softsign": log_softsign,
    "log_tanh": log_tanh,
}

# What each name of conf/objective promises, its published constants included.
NAMED: dict[str, tuple[Formula, str]] = {
    "grpo": (grpo(0.2, 0.2), "response"),
    "gspo": (gspo(3e-4, 4e-4), "response"),
    "gmpo": (gmpo(0.4, 0.4), "response"),
    "sapo": (sapo(1.0, 1.05), "response"),
    "sspo": (pooled(soft("log_arctan", 10, 12, False), "geometric", "token", "ratio"), "response"),
    "sft": (sft, "token"),
}


def update(
    formula: Formula,
    normalize: str,
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
        term, slopes = formula(log_ratios, [float(logp_BT[i, t]) for t in positions], float(advantage_B[i]))
        omega = {
            "response": 1 / responses,
            "token": len(positions) / tokens,
            "constant": len(positions) / (responses * max_response_length),
        }[normalize]
        loss -= omega * term
        for t, slope in zip(positions, slopes, strict=True):
            gradient_BT[i, t] = -omega * slope
    return loss, gradient_BT
