"""What every objective reports about one update, on one scale for soft and hard gates."""

from __future__ import annotations

import torch
from torch import Tensor

from sspo_cli.objectives.batch import LOG_RATIO_LIMIT, PolicyBatch, masked_mean
from sspo_cli.objectives.ratio import raw_log_ratio


def diagnose(batch: PolicyBatch, weight_B: Tensor, multiplier_BT: Tensor) -> dict[str, Tensor]:
    """Scalars, left as tensors so that nothing waits for the device.

    update/effective_ratio is the mean token multiplier (gate study, arXiv 2602.19345, eq. 12), 1 on-policy;
    update/removed_{pos,neg} the share of |A|-weighted gradient that the gate removed, by sign of A;
    weight/ess the effective sample size of the sequence weights over their number, in [0, 1];
    policy/kl the estimate mean(r - 1 - l) of KL(old || current), in nats per token (k3).
    """
    log_ratio_BT = raw_log_ratio(batch).detach()
    log_ratio_n = log_ratio_BT[batch.mask_BT]
    multiplier_n = multiplier_BT[batch.mask_BT]
    size_n = batch.advantage_B.abs()[:, None].expand_as(multiplier_BT)[batch.mask_BT]
    positive_n = (batch.advantage_B > 0)[:, None].expand_as(multiplier_BT)[batch.mask_BT]
    ratio_n = torch.exp(log_ratio_n.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT))
    deviation_BT = log_ratio_BT - masked_mean(log_ratio_BT, batch.mask_BT)[:, None]
    return {
        "update/effective_ratio": multiplier_n.mean(),
        "update/removed_pos": removed_share(multiplier_n, size_n * positive_n),
        "update/removed_neg": removed_share(multiplier_n, size_n * ~positive_n),
        "ratio/mean": ratio_n.mean(),
        "ratio/std": ratio_n.std(correction=0),
        **quantiles("ratio", ratio_n),
        "ratio/log_variance": masked_mean(deviation_BT.square(), batch.mask_BT).mean(),
        "ratio/clamped": (log_ratio_n.abs() > LOG_RATIO_LIMIT).to(ratio_n.dtype).mean(),
        "weight/mean": weight_B.mean(),
        "weight/std": weight_B.std(correction=0),
        **quantiles("weight", weight_B),
        "weight/ess": sample_share(weight_B),
        "policy/kl": (torch.expm1(log_ratio_n.clamp(-LOG_RATIO_LIMIT, LOG_RATIO_LIMIT)) - log_ratio_n).mean(),
    }


def quantiles(name: str, value_n: Tensor) -> dict[str, Tensor]:
    """name/q01, name/q50, name/q99, with linear interpolation."""
    # torch.quantile refuses more than 2^24 values, which a large update of long responses exceeds.
    sorted_n = value_n.sort().values
    found = {}
    for share in (0.01, 0.5, 0.99):
        place = share * (len(sorted_n) - 1)
        below, above = sorted_n[int(place)], sorted_n[min(int(place) + 1, len(sorted_n) - 1)]
        found[f"{name}/q{round(100 * share):02}"] = torch.lerp(below, above, place - int(place))
    return found


def sample_share(weight_B: Tensor) -> Tensor:
    """(sum w)^2 / (B sum w^2); 0 where every weight is."""
    # Small weights, such as VESPO's of a far response, would vanish when squared.
    scaled_B = weight_B / weight_B.max()
    share = scaled_B.sum().square() / (scaled_B.square().sum() * weight_B.numel())
    return torch.where(weight_B.max() > 0, share, 0)


def removed_share(multiplier_n: Tensor, size_n: Tensor) -> Tensor:
    """1 - sum |A| m / sum |A| over tokens; 0 where no token carries a gradient."""
    total = size_n.sum()
    return torch.where(total > 0, 1 - (size_n * multiplier_n).sum() / total.clamp(min=1e-12), 0)
