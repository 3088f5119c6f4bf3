"""Every objective a second time: plain Python, one token at a time, from the closed forms of its parts.

Nothing here is shared with sspo_cli.objectives and nothing is differentiated: each part comes with its slope, written
out. A gate gives (f, kappa) with kappa = d log f / d l = r f'(r) / f(r).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from sspo_cli.config.schema import (
    CapGateSection,
    ClipGateSection,
    CorrectionSection,
    GammaGateSection,
    GateConfig,
    KlSection,
    LogClipGateSection,
    ObjectiveConfig,
    SoftGateSection,
)

Array = NDArray[np.float64]
Pair = tuple[float, float]
Curve = Callable[[float, float, float], Pair]

LIMIT = 20.0
SMALLEST = 1e-6


@dataclass(frozen=True)
class Response:
    """One response of T tokens: the log-probabilities of each, the entropies, and the advantage."""

    logp_T: list[float]
    old_logp_T: list[float]
    rollout_logp_T: list[float]
    reference_logp_T: list[float]
    entropy_T: list[float]
    advantage: float


@dataclass(frozen=True)
class Term:
    """J of one response before the normaliser, and its slopes by log-probability and by entropy of each token."""

    value: float
    slope_T: list[float]
    entropy_slope_T: list[float]


def update(
    config: ObjectiveConfig,
    tensors: Mapping[str, Array],
    advantage_B: Array,
    mask_BT: NDArray[np.bool_],
    responses: int,
    tokens: int,
    max_response_length: int,
) -> tuple[float, Array, Array]:
    """Loss -J and its gradients by log-probability and by entropy; `tensors` are the fields of `Response`, [B, T].

    config: temperatures as they are, gate.calibrate already solved.
    """
    loss = 0.0
    gradient_BT, entropy_gradient_BT = np.zeros_like(tensors["logp"]), np.zeros_like(tensors["logp"])
    for i in range(len(mask_BT)):
        at = np.flatnonzero(mask_BT[i])
        response = Response(
            **{f"{name}_T": value[i, at].tolist() for name, value in tensors.items()}, advantage=float(advantage_B[i])
        )
        omega = {
            "response": 1 / responses,
            "token": len(at) / tokens,
            "constant": len(at) / (responses * max_response_length),
            "sum": len(at) / responses,
        }[config.normalize]
        found = term(config, response)
        loss -= omega * found.value
        gradient_BT[i, at] = [-omega * slope for slope in found.slope_T]
        entropy_gradient_BT[i, at] = [-omega * slope for slope in found.entropy_slope_T]
    return loss, gradient_BT, entropy_gradient_BT


def term(config: ObjectiveConfig, response: Response) -> Term:
    """A times the value, less the KL penalty, plus the entropy bonus."""
    value, slope_T = advantage_term(config, response)
    T = len(slope_T)
    if config.kl.coef and config.kl.place == "loss":
        estimates = [kl(config.kl, response, t) for t in range(T)]
        value -= config.kl.coef * fmean(estimate for estimate, _ in estimates)
        slope_T = [slope - config.kl.coef * by_logp / T for slope, (_, by_logp) in zip(slope_T, estimates, strict=True)]
    value += config.entropy_coef * fmean(response.entropy_T)
    return Term(value, slope_T, [config.entropy_coef / T] * T)


def advantage_term(config: ObjectiveConfig, response: Response) -> tuple[float, list[float]]:
    """A times the pooled gate of the ratios, or A times log pi weighted by it, and the slope of each token."""
    log_ratio_T = [held(p - q, LIMIT) for p, q in zip(response.logp_T, response.old_logp_T, strict=True)]
    moves_T = [abs(p - q) <= LIMIT for p, q in zip(response.logp_T, response.old_logp_T, strict=True)]
    T, advantage = len(log_ratio_T), response.advantage
    correction_T = correction_weight(config.correction, response)
    if config.gate.name == "gamma":
        # Inside the gate, which sees the ratio of the current policy to the sampler.
        log_ratio_T = [ratio + math.log(c) for ratio, c in zip(log_ratio_T, correction_T, strict=True)]
        correction_T = [1.0] * T
    correction_T = [
        c * stays for c, stays in zip(correction_T, correction_mask(config.correction, response), strict=True)
    ]
    seen_T, spread = RATIOS[config.ratio](log_ratio_T)
    f_T, kappa_T = zip(*(gate(config.gate, seen, advantage) for seen in seen_T), strict=True)
    weight_T = list(f_T) if config.pool == "arithmetic" else [math.prod(f ** (1 / T) for f in f_T)] * T
    if config.form == "score":
        slope_T = [c * weight / T for c, weight in zip(correction_T, weight_T, strict=True)]
        value = sum(slope * logp for slope, logp in zip(slope_T, response.logp_T, strict=True))
    else:
        value = fmean(c * weight for c, weight in zip(correction_T, weight_T, strict=True))
        # A token's gate moves its own term of an arithmetic mean, and every term of a geometric one by 1/T.
        share_T = correction_T if config.pool == "arithmetic" else [fmean(correction_T)] * T
        by_seen_T = [c * weight * k / T for c, weight, k in zip(share_T, weight_T, kappa_T, strict=True)]
        slope_T = [slope * moved for slope, moved in zip(spread(by_seen_T), moves_T, strict=True)]
    return advantage * value, [advantage * slope for slope in slope_T]


Spread = Callable[[list[float]], list[float]]


def token(log_ratio_T: list[float]) -> tuple[list[float], Spread]:
    """What the gate sees at each token, and what slopes by that are as slopes by each log-ratio."""
    return log_ratio_T, lambda slope_T: slope_T


def sequence(log_ratio_T: list[float]) -> tuple[list[float], Spread]:
    T = len(log_ratio_T)
    return [sum(log_ratio_T) / T] * T, lambda slope_T: [sum(slope_T) / T] * T


def sequence_token(log_ratio_T: list[float]) -> tuple[list[float], Spread]:
    T = len(log_ratio_T)
    return [sum(log_ratio_T) / T] * T, lambda slope_T: slope_T


def product(log_ratio_T: list[float]) -> tuple[list[float], Spread]:
    T, total = len(log_ratio_T), sum(log_ratio_T)
    return [held(total, LIMIT)] * T, lambda slope_T: [sum(slope_T) * (abs(total) <= LIMIT)] * T


RATIOS: Mapping[str, Callable[[list[float]], tuple[list[float], Spread]]] = {
    "token": token,
    "sequence": sequence,
    "sequence_token": sequence_token,
    "product": product,
}


def correction_weight(section: CorrectionSection, response: Response) -> list[float]:
    """old / rollout between floor and cap at each token, as a product over the response at level "sequence"."""
    if section.level == "none":
        return [1.0] * len(response.logp_T)
    cap = math.inf if section.cap is None else section.cap
    return [min(max(ratio, section.floor), cap) for ratio in gap(section.level, response)]


def correction_mask(section: CorrectionSection, response: Response) -> list[float]:
    """1 at each token that the masks leave in the loss, 0 at the others."""
    found_T = [1.0] * len(response.logp_T)
    if section.mask.level != "none":
        ratio_T = gap(section.mask.level, response)
        found_T = [float(section.mask.low <= ratio <= section.mask.high) for ratio in ratio_T]
    if section.mask_negative_above is not None and response.advantage < 0:
        sampler_T = response.rollout_logp_T if section.compares else response.old_logp_T
        distance = fmean(q - p for q, p in zip(sampler_T, response.logp_T, strict=True))
        found_T = [value * (distance <= section.mask_negative_above) for value in found_T]
    return found_T


def gap(level: str, response: Response) -> list[float]:
    """old / rollout of each token; the product over the response, or its geometric mean, at every token of it."""
    log_T = [p - q for p, q in zip(response.old_logp_T, response.rollout_logp_T, strict=True)]
    seen = {"token": log_T, "sequence": [sum(log_T)] * len(log_T), "sequence_mean": [fmean(log_T)] * len(log_T)}
    return [math.exp(held(log, LIMIT)) for log in seen[level]]


def kl(section: KlSection, response: Response, t: int) -> Pair:
    """The estimate at one token and its slope by logp: x is the log of the other probability over this one."""
    logp = response.logp_T[t]
    if section.against == "old":
        x, direction = logp - response.old_logp_T[t], 1
    else:
        x, direction = response.reference_logp_T[t] - logp, -1
    direction *= abs(x) <= LIMIT
    x = held(x, LIMIT)
    estimate, slope = {"k1": (-x, -1.0), "k2": (x * x / 2, x), "k3": (math.exp(x) - 1 - x, math.exp(x) - 1)}[
        section.estimator
    ]
    return estimate, slope * direction


def held(value: float, limit: float) -> float:
    return max(-limit, min(limit, value))


def gate(config: GateConfig, log_ratio: float, advantage: float) -> Pair:
    """(f, kappa) of one ratio."""
    r, positive = math.exp(log_ratio), advantage > 0
    if isinstance(config, ClipGateSection):
        ceiling = config.dual_clip or math.inf
        low, high = (0.0, 1 + config.eps_high) if positive else (1 - config.eps_low, ceiling)
        return bounded(r, low, high)
    if isinstance(config, LogClipGateSection):
        return bounded(r, 0.0, math.exp(config.eps_high)) if positive else bounded(r, math.exp(-config.eps_low))
    if isinstance(config, CapGateSection):
        return bounded(r, 0.0, config.cap)
    if isinstance(config, GammaGateSection):
        k, lam = (config.k_pos, config.lambda_pos) if positive else (config.k_neg, config.lambda_neg)
        return math.exp(lam + k * log_ratio - lam * r), k - lam * r
    if isinstance(config, SoftGateSection):
        if config.one_sided and log_ratio * (1 if positive else -1) <= 0:
            return r, 1.0
        return CURVES[config.name](r, log_ratio, config.tau_pos if positive else config.tau_neg)
    return (r, 1.0) if config.name == "identity" else (1.0, 0.0)


def bounded(r: float, low: float, high: float = math.inf) -> Pair:
    """r held between two bounds, without slope beyond them."""
    return max(low, min(high, r)), float(low <= r <= high)


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


def sech_squared(x: float) -> float:
    return 4 * sigma(2 * x) * sigma(-2 * x)


def above_zero(f: float, slope: float) -> Pair:
    """(f, r f'(r) / f) from f and r f'(r), where rounding may bring f to zero."""
    return (f, slope / f) if f > SMALLEST else (SMALLEST, 0.0)


def sigmoid(r: float, log_ratio: float, tau: float) -> Pair:
    return 4 / tau * sigma(tau * (r - 1)), tau * r * sigma(-tau * (r - 1))


def sigmoid_unit(r: float, log_ratio: float, tau: float) -> Pair:
    p, q = sigma(tau * (r - 1)), sigma(-tau * (r - 1))
    return above_zero(1 + 2 / tau * (p - q), 4 * r * p * q)


def arctan(r: float, log_ratio: float, tau: float) -> Pair:
    return above_zero(1 + math.atan(tau * (r - 1)) / tau, r / (1 + tau**2 * (r - 1) ** 2))


def erf(r: float, log_ratio: float, tau: float) -> Pair:
    x = tau * (r - 1)
    return above_zero(1 + math.sqrt(math.pi / 2) / tau * math.erf(x / math.sqrt(2)), r * math.exp(-(x**2) / 2))


def softsign(r: float, log_ratio: float, tau: float) -> Pair:
    root = math.sqrt(1 + tau**2 * (r - 1) ** 2)
    return above_zero(1 + (r - 1) / root, r / root**3)


def arctan_log_ratio(r: float, log_ratio: float, tau: float) -> Pair:
    return above_zero(1 + math.atan(tau * log_ratio) / tau, 1 / (1 + (tau * log_ratio) ** 2))


def log_arctan(r: float, log_ratio: float, tau: float) -> Pair:
    return math.exp(math.atan(tau * log_ratio) / tau), 1 / (1 + (tau * log_ratio) ** 2)


def log_erf(r: float, log_ratio: float, tau: float) -> Pair:
    x = tau * log_ratio
    return math.exp(math.sqrt(math.pi / 2) / tau * math.erf(x / math.sqrt(2))), math.exp(-(x**2) / 2)


def log_softsign(r: float, log_ratio: float, tau: float) -> Pair:
    root = math.sqrt(1 + (tau * log_ratio) ** 2)
    return math.exp(log_ratio / root), 1 / root**3


def log_tanh(r: float, log_ratio: float, tau: float) -> Pair:
    return math.exp(2 / tau * math.tanh(tau * log_ratio / 2)), sech_squared(tau * log_ratio / 2)


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
