"""Advantages from rewards: [P, G] -> [P, G] in float64, for P prompts with G responses each.

A NaN reward means "could not be scored": it is left out of every mean and its advantage is zero. `size_P` is the
largest size of a number that a reward of the group was summed from, if it is known: it bounds the rounding error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Advantage(Protocol):
    """A function of this module."""

    def __call__(self, reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor: ...


EPSILON = 1e-6
SMALLEST_SPREAD = 1e-8
ROUNDINGS = 8  # steps of rounding that the sum of a reward's parts may take


def tied(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """Whether the rewards of each group that could be given are equal up to rounding: [P], bool.

    A group ties when max - min <= max(1e-8, 8 eps s), with eps of float64 and s the larger of size_P and max |reward|.
    """
    reward_PG = reward_PG.double()
    low_P = torch.where(scored(reward_PG), reward_PG, torch.inf).amin(-1)
    high_P = torch.where(scored(reward_PG), reward_PG, -torch.inf).amax(-1)
    largest_P = reward_PG.nan_to_num(nan=0.0).abs().amax(-1)
    largest_P = largest_P if size_P is None else torch.maximum(size_P.double(), largest_P)
    rounding_P = ROUNDINGS * torch.finfo(torch.float64).eps * largest_P
    return ~(high_P - low_P > rounding_P.clamp(min=SMALLEST_SPREAD))


def group_zscore(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """(R - mean) / (std + 1e-6) within each group (GRPO, arXiv 2402.03300), with the unbiased standard deviation."""
    centred_PG = group_mean(reward_PG, size_P)
    scored_P1 = scored(reward_PG).sum(-1, keepdim=True)
    # Squares of very large rewards would overflow, so they are taken in units of the largest.
    unit_P1 = centred_PG.abs().amax(-1, keepdim=True).clamp(min=1)
    variance_P1 = (centred_PG / unit_P1).square().sum(-1, keepdim=True) / (scored_P1 - 1).clamp(min=1)
    return centred_PG / (unit_P1 * variance_P1.sqrt() + EPSILON)


def group_mean(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """R - mean within each group (Dr.GRPO, arXiv 2503.20783). Exactly zero where the group is tied."""
    reward_PG = reward_PG.double()
    # A common offset goes first: the mean of large, nearly equal numbers would be rounded by more than they differ.
    low_P1 = torch.where(scored(reward_PG), reward_PG, torch.inf).amin(-1, keepdim=True)
    above_PG = reward_PG - low_P1
    centred_PG = above_PG - above_PG.nanmean(-1, keepdim=True)
    return torch.where(scored(reward_PG) & ~tied(reward_PG, size_P)[:, None], centred_PG, 0)


def leave_one_out(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """R - mean of the others of the group (RLOO, arXiv 2402.14740): the centred reward times G/(G-1)."""
    scored_P1 = scored(reward_PG).sum(-1, keepdim=True)
    return group_mean(reward_PG, size_P) * scored_P1 / (scored_P1 - 1).clamp(min=1)


def group_mean_rescaled(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """R - mean within each group, times responses / responses in groups that are not tied (GPG, arXiv 2504.02546)."""
    live = max(1, int((~tied(reward_PG, size_P)).sum()))
    return group_mean(reward_PG, size_P) * (len(reward_PG) / live)


def batch_mean(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """R - mean over the whole rollout."""
    return group_mean(reward_PG.reshape(1, -1), over_all(size_P)).reshape(reward_PG.shape)


def batch_zscore(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """(R - mean) / (std + 1e-6) over the whole rollout."""
    return group_zscore(reward_PG.reshape(1, -1), over_all(size_P)).reshape(reward_PG.shape)


def none(reward_PG: Tensor, size_P: Tensor | None = None) -> Tensor:
    """The reward itself."""
    return torch.nan_to_num(reward_PG.double(), nan=0.0)


def over_all(size_P: Tensor | None) -> Tensor | None:
    return None if size_P is None else size_P.amax(0, keepdim=True)


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
