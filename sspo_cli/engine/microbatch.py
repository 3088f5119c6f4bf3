"""Trajectories as rectangles that fit a budget of tokens. Masks of what is trained end here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sspo_cli.types import Trajectory

# What a forward and backward pass costs beside its tokens, measured in tokens on a CPU with the embedded model.
TOKENS_PER_PASS = 128


@dataclass(frozen=True)
class Microbatch:
    """B trajectories as one rectangle of L columns, padded on the right, and their trained tokens as one of T.

    A causal model computes the same for a sequence whatever stands behind it, so the L columns need no mask; the T
    columns have one. predictor_N: for each of the N trained tokens, row by row, the place among the B * L tokens of the
    one before it, which predicts it. trained_BT: their ids. logps: the log-probabilities that came with the
    trajectories, each [B, T], under their names in `PolicyBatch`.
    """

    token_BL: Tensor
    predictor_N: Tensor
    trained_BT: Tensor
    mask_BT: Tensor
    advantage_B: Tensor
    logps: dict[str, Tensor]


def cut(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Sequences of similar length together, as places in `lengths`: rectangles of at most `token_budget` tokens each,
    padding included.

    Of all ways to cut the sequences, sorted by length, the one with the least tokens in all, when a rectangle more
    costs as much as TOKENS_PER_PASS. A sequence longer than the budget comes alone.
    """
    ordered = sorted(range(len(lengths)), key=lambda place: lengths[place])
    best = np.zeros(len(ordered) + 1)
    first = np.zeros(len(ordered) + 1, dtype=int)
    for end in range(1, len(ordered) + 1):
        # Of the rectangles that end with this sequence, by where they begin: from all before it to this one alone.
        size = lengths[ordered[end - 1]] * np.arange(end, 0, -1)
        fits = size <= token_budget
        fits[-1] = True
        total = np.where(fits, best[:end] + size + TOKENS_PER_PASS, np.inf)
        first[end] = total.argmin()
        best[end] = total.min()
    groups, end = [], len(ordered)
    while end:
        groups.append(ordered[first[end] : end])
        end = first[end]
    return groups[::-1]


def to_microbatch(group: Sequence[Trajectory], pad_id: int, device: torch.device) -> Microbatch:
    """`group` on `device`; pad_id fills what stands behind each sequence and is never read.

    Raises:
        ValueError: for a trajectory whose first token is trained: no token predicts it.
    """
    if any(bool(item.trained_L[0]) for item in group):
        raise ValueError("the first token of a trajectory cannot be trained: no token predicts it")
    token_BL = pad_right([item.token_L for item in group], pad_id)
    place_BN = [item.trained_L.nonzero().squeeze(1) for item in group]
    predictor_N = torch.cat([place_N - 1 + b * token_BL.shape[1] for b, place_N in enumerate(place_BN)])
    columns = [logps_of(item) for item in group]
    return Microbatch(
        token_BL=token_BL.to(device),
        predictor_N=predictor_N.to(device),
        trained_BT=pad_right([item.token_L[item.trained_L] for item in group], pad_id).to(device),
        mask_BT=pad_right([torch.ones(len(place_N), dtype=torch.bool) for place_N in place_BN], False).to(device),
        advantage_B=torch.tensor([item.advantage for item in group], device=device),
        logps={name: pad_right([column[name] for column in columns], 0.0).to(device) for name in columns[0]},
    )


def logps_of(item: Trajectory) -> dict[str, Tensor]:
    """The log-probabilities of the trained tokens, each [T], by their names in `PolicyBatch`.

    Ratios start from the sampler's log-probabilities, or from the trainer's under a correction, which then reads the
    sampler's as well. A reference solution has none.
    """
    corrected = item.trainer_logp_L is not None
    found = {
        "old_logp_BT": item.trainer_logp_L if corrected else item.sampled_logp_L,
        "rollout_logp_BT": item.sampled_logp_L if corrected else None,
        "reference_logp_BT": item.reference_logp_L,
    }
    return {name: logp_L[item.trained_L] for name, logp_L in found.items() if logp_L is not None}


def pad_right(values: Sequence[Tensor], fill: float) -> Tensor:
    """Rows of different lengths as one rectangle."""
    return torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True, padding_value=fill)
