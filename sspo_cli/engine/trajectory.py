"""One response on its way from the rollout to the update, and micro-batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# What a forward and backward pass costs beside its tokens, measured in tokens on a CPU with the embedded model.
TOKENS_PER_PASS = 128
LOGPS = ("old_logp", "rollout_logp", "reference_logp")


@dataclass(frozen=True)
class Trajectory:
    """prompt and response: token ids.

    old_logp_T: where ratios start, None for a reference solution: the sampler's log-probabilities, or the trainer's
    under a correction, which then reads the sampler's as rollout_logp_T.
    """

    prompt: list[int]
    response: list[int]
    old_logp_T: Tensor | None
    advantage: float
    rollout_logp_T: Tensor | None = None
    reference_logp_T: Tensor | None = None

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class Microbatch:
    """B trajectories as one rectangle of L columns: prompt, response and padding in this order.

    A causal model computes the same for a sequence whatever stands behind it, so it needs no mask; only the T columns
    of responses have one. predictor_N: for each of the N response tokens, row by row, the place among the B * L tokens
    of the one before it, which predicts it. logps: the log-probabilities that came with the trajectories, each [B, T],
    under their names in `PolicyBatch`.
    """

    token_BL: Tensor
    predictor_N: Tensor
    response_BT: Tensor
    mask_BT: Tensor
    advantage_B: Tensor
    logps: dict[str, Tensor]


def cut(trajectories: Sequence[Trajectory], token_budget: int) -> list[list[Trajectory]]:
    """Groups of similar length, each a rectangle of at most `token_budget` tokens, padding included.

    Of all ways to cut the trajectories, sorted by length, the one with the least tokens in all, when a rectangle more
    costs as much as TOKENS_PER_PASS. A trajectory longer than the budget comes alone.
    """
    ordered = sorted(trajectories, key=lambda item: item.tokens)
    best = np.zeros(len(ordered) + 1)
    first = np.zeros(len(ordered) + 1, dtype=int)
    for end in range(1, len(ordered) + 1):
        # Of the rectangles that end with this trajectory, by where they begin: from all before it to this one alone.
        size = ordered[end - 1].tokens * np.arange(end, 0, -1)
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
    """`group` on `device`; pad_id fills what stands behind each sequence and is never read."""
    token_BL = pad_right([torch.tensor(item.prompt + item.response) for item in group], pad_id)
    mask_BT = pad_right([torch.ones(len(item.response), dtype=torch.bool) for item in group], False)
    last_B = torch.tensor([len(item.prompt) - 1 for item in group]) + torch.arange(len(group)) * token_BL.shape[1]
    predictor_BT = last_B[:, None] + torch.arange(mask_BT.shape[1])
    columns = {name: [getattr(item, f"{name}_T") for item in group] for name in LOGPS}
    return Microbatch(
        token_BL=token_BL.to(device),
        predictor_N=predictor_BT[mask_BT].to(device),
        response_BT=pad_right([torch.tensor(item.response) for item in group], pad_id).to(device),
        mask_BT=mask_BT.to(device),
        advantage_B=torch.tensor([item.advantage for item in group], device=device),
        logps={f"{name}_BT": pad_right(rows, 0.0).to(device) for name, rows in columns.items() if rows[0] is not None},
    )


def pad_right(values: Sequence[Tensor], fill: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True, padding_value=fill)
