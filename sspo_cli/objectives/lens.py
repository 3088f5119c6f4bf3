"""What an objective does to one token, as curves over the ratio, by its own gate, pool and gradient.

A response of one token is enough to see all of it: there the token's ratio, the sequence ratio and the product are one.
KL penalty, entropy bonus and off-policy correction are left out: they are not functions of this ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch
from sspo_cli.objectives.gate import IdentityGate
from sspo_cli.objectives.objective import Objective

POINTS = 801  # odd, so that ratio 1 is one of them
WIDEST = math.log(8)
NARROWEST = 1e-6
MARGIN = 1.75
UNGATED_WIDTH = math.log(2)


@dataclass(frozen=True)
class Curves:
    """One objective for one sign of the advantage, at N ratios r.

    gate_N: f(r). multiplier_N: the coefficient of A * grad log pi of a token. Where ratios are per token, the token has
    ratio r and the other tokens of a long response have ratio 1; else r is the ratio of the whole response.
    weight: the least and the greatest sequence weight over all r; 0 and infinity where only the clamp of log-ratios
    bounds it.
    """

    gate_N: Tensor
    multiplier_N: Tensor
    weight: tuple[float, float]


def curves(objective: Objective, log_ratio_N: Tensor, sign: int) -> Curves:
    """What `objective` does where the advantage is `sign`, 1 or -1."""
    batch = responses(log_ratio_N, sign)
    gate_N = torch.exp(objective.gate(batch.logp_BT, batch.advantage_B))[:, 0]
    return Curves(gate_N, multiplier(objective, log_ratio_N, sign), weight_range(objective, sign))


def responses(log_ratio_N: Tensor, sign: int) -> PolicyBatch:
    """A response of one token for every log-ratio."""
    log_ratio_N1 = log_ratio_N.double()[:, None]
    return PolicyBatch(
        logp_BT=log_ratio_N1,
        old_logp_BT=torch.zeros_like(log_ratio_N1),
        advantage_B=torch.full_like(log_ratio_N1[:, 0], sign),
        mask_BT=torch.ones_like(log_ratio_N1, dtype=torch.bool),
    )


def multiplier(objective: Objective, log_ratio_N: Tensor, sign: int) -> Tensor:
    """See `Curves`."""
    bare = replace(objective, correction=None)
    batch = responses(log_ratio_N, sign)
    multiplier_N = bare.token_multiplier(batch)[:, 0]
    if objective.ratio == "token" and objective.pool == "geometric":
        # Alone, the token decides the weight; among many at ratio 1 it leaves the weight at f(1).
        unmoved = responses(torch.zeros(1), sign)
        return multiplier_N * bare.weight(unmoved.logp_BT, unmoved) / bare.weight(batch.logp_BT, batch)
    return multiplier_N


def weight_range(objective: Objective, sign: int) -> tuple[float, float]:
    """See `Curves`."""
    batch = responses(torch.linspace(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT, 40_001, dtype=torch.float64), sign)
    weight_N = objective.weight(batch.logp_BT, batch)
    low, high = float(weight_N.min()), float(weight_N.max())
    tiny, huge = math.exp(-LOG_RATIO_LIMIT), math.exp(LOG_RATIO_LIMIT)
    return (0.0 if low <= tiny * (1 + 1e-9) else low), (math.inf if high >= huge * (1 - 1e-9) else high)


def half_width(objective: Objective, sign: int) -> float | None:
    """The least |log r| at which the gate leaves at most half of the multiplier that there would be without a gate.

    None if there is none up to the clamp of log-ratios.
    """
    size_N = torch.logspace(math.log10(NARROWEST), math.log10(LOG_RATIO_LIMIT), 4001, dtype=torch.float64)
    ungated = replace(objective, gate=IdentityGate())
    halved_N = torch.zeros_like(size_N, dtype=torch.bool)
    for log_ratio_N in (size_N, -size_N):
        gated_N, ungated_N = (multiplier(seen, log_ratio_N, sign) for seen in (objective, ungated))
        halved_N |= gated_N <= ungated_N / 2
    return float(size_N[halved_N].min()) if halved_N.any() else None


def shared_log_ratios(objectives: Sequence[Objective]) -> Tensor:
    """[N], float64, symmetric about 0: wide enough for the widest gate of `objectives`, and at most WIDEST."""
    widths = [half_width(objective, sign) for objective in objectives for sign in (1, -1)]
    extent = min(MARGIN * max((width for width in widths if width), default=UNGATED_WIDTH), WIDEST)
    half = POINTS // 2
    return torch.arange(-half, half + 1, dtype=torch.float64) * (extent / half)
