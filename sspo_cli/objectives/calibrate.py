"""The temperature at which a soft gate has a wanted width, so that gates of different shapes can be compared."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sspo_cli.objectives.gate import Curve

SMALLEST_TAU, LARGEST_TAU = 1e-3, 1e6
# A log-ratio at which every gate is flat, and whose exponential can still be squared.
FAR = 300.0
HALVINGS = 200


def tau_for_multiplier(curve: Curve, pool: str, at: float, multiplier: float) -> float | None:
    """The tau at which a token of ratio `at` has `multiplier` while the other tokens of a long response have ratio 1.

    That is at * f'(at) under the arithmetic pool and f(1) * at * f'(at) / f(at) under the geometric one. None if no tau
    between SMALLEST_TAU and LARGEST_TAU gives it.
    """
    return solve(lambda tau: token_multiplier(curve, pool, math.log(at), tau), multiplier)


def tau_for_saturation(curve: Curve, at: float, limit: float) -> float | None:
    """The tau at which f(r) / f(1) goes to `limit` as r goes to `at`, which is 0 or infinity; None if there is none."""
    far = FAR if at > 1 else -FAR
    return solve(lambda tau: float(torch.exp(log_gate(curve, far, tau) - log_gate(curve, 0.0, tau))), limit)


def token_multiplier(curve: Curve, pool: str, log_ratio: float, tau: float) -> float:
    """See `tau_for_multiplier`."""
    point = torch.tensor(log_ratio, dtype=torch.float64, requires_grad=True)
    value = curve(point, torch.tensor(tau, dtype=torch.float64))
    (slope,) = torch.autograd.grad(value, point)
    around = value.detach() if pool == "arithmetic" else log_gate(curve, 0.0, tau)
    return float(torch.exp(around) * slope)


def log_gate(curve: Curve, log_ratio: float, tau: float) -> Tensor:
    return curve(torch.tensor(log_ratio, dtype=torch.float64), torch.tensor(tau, dtype=torch.float64))


def solve(measure: Callable[[float], float], wanted: float) -> float | None:
    """tau with measure(tau) = wanted by bisection of log tau, for a measure that is monotone in tau."""
    low, high = math.log(SMALLEST_TAU), math.log(LARGEST_TAU)
    at_low, at_high = measure(SMALLEST_TAU) - wanted, measure(LARGEST_TAU) - wanted
    if not at_low * at_high < 0:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if (measure(math.exp(middle)) - wanted) * at_low > 0:
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
