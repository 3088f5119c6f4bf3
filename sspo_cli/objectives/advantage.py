"""Advantages from rewards: [P, G] -> [P, G], for P prompts with G responses each.

A NaN reward means "could not be scored": it is left out of every mean and its advantage is zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

Advantage = Callable[[Tensor], Tensor]

EPSILON = 1e-6


def group_zscore(reward_PG: Tensor) -> Tensor:
    """(R - mean) / (std + 1e-6) within each group (GRPO, arXiv 2402.03300), with the unbiased standard deviation."""
    centred_PG = group_mean(reward_PG)
    scored_P1 = scored(reward_PG).sum(-1, keepdim=True)
    std_P1 = (centred_PG.square().sum(-1, keepdim=True) / (scored_P1 - 1).clamp(min=1)).sqrt()
    return centred_PG / (std_P1 + EPSILON)


def group_mean(reward_PG: Tensor) -> Tensor:
    """R - mean within each group (Dr.GRPO, arXiv 2503.20783). Exactly zero where all rewards of a group are equal."""
    low_P1 = torch.where(scored(reward_PG), reward_PG, torch.inf).amin(-1, keepdim=True)
    high_P1 = torch.where(scored(reward_PG), reward_PG, -torch.inf).amax(-1, keepdim=True)
    centred_PG = reward_PG - reward_PG.nanmean(-1, keepdim=True)
    return torch.where(scored(reward_PG) & (high_P1 > low_P1), centred_PG, 0)


def leave_one_out(reward_PG: Tensor) -> Tensor:
    """R - mean of the others of the group (RLOO, arXiv 2402.14740): the centred reward times G/(G-1)."""
    scored_P1 = scored(reward_PG).sum(-1, keepdim=True)
    return group_mean(reward_PG) * scored_P1 / (scored_P1 - 1).clamp(min=1)


def group_mean_rescaled(reward_PG: Tensor) -> Tensor:
    """R - mean within each group, times responses / responses in groups that are not tied (GPG, arXiv 2504.02546)."""
    centred_PG = group_mean(reward_PG)
    live = (centred_PG != 0).any(-1).sum().clamp(min=1)
    return centred_PG * len(reward_PG) / live


def batch_mean(reward_PG: Tensor) -> Tensor:
    """R - mean over the whole rollout."""
    return group_mean(reward_PG.reshape(1, -1)).reshape(reward_PG.shape)


def batch_zscore(reward_PG: Tensor) -> Tensor:
    """(R - mean) / (std + 1e-6) over the whole rollout."""
    return group_zscore(reward_PG.reshape(1, -1)).reshape(reward_PG.shape)


def none(reward_PG: Tensor) -> Tensor:
    """The reward itself."""
    return torch.nan_to_num(reward_PG, nan=0.0)


def scored(reward_PG: Tensor) -> Tensor:
    return ~torch.isnan(reward_PG)


ADVANTAGES: Mapping[str, Advantage] = {
    "group_zscore": group_zscore,
    "group_mean": group_mean,
    "leave_one_out": leave_one_out,
    "group_mean_rescaled": group_mean_rescaled,
    "batch_mean": batch_mean,
    "batch_zscore": batch_zscore,
    "none": none,
}
