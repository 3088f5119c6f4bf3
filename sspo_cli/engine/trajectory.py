"""One response on its way from the rollout to the update, and micro-batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sspo_cli.rollout.sampler import pad_left, positions

# What a forward and backward pass costs beside its tokens, measured in tokens on a CPU with the embedded model.
TOKENS_PER_PASS = 256
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
    """B trajectories as rectangles: S prompt columns padded on the left, T response columns padded on the right.

    logps: the log-probabilities that came with the trajectories, each [B, T], under their names in `PolicyBatch`.
    """

    token_BL: Tensor
    attention_BL: Tensor
    position_BL: Tensor
    response_BT: Tensor
    mask_BT: Tensor
    advantage_B: Tensor
    logps: dict[str, Tensor]


def cut(trajectories: Sequence[Trajectory], token_budget: int) -> list[list[Trajectory]]:
    """Groups of similar length, each a rectangle of at most `token_budget` tokens, padding included.

    Of all ways to cut the trajectories, sorted by length, the one with the least tokens in all, when a rectangle more
    costs as much as TOKENS_PER_PASS. A trajectory longer than the budget comes alone.
    """
    ordered = sorted(trajectories, key=lambda item: (len(item.response), len(item.prompt)))
    prompt_N = np.array([len(item.prompt) for item in ordered])
    response_N = np.array([len(item.response) for item in ordered])
    best = np.zeros(len(ordered) + 1)
    first = np.zeros(len(ordered) + 1, dtype=int)
    for end in range(1, len(ordered) + 1):
        # Of the rectangles that end with this trajectory, by where they begin: from this one alone to all before it.
        width = np.maximum.accumulate(prompt_N[:end][::-1]) + np.maximum.accumulate(response_N[:end][::-1])
        size = width * np.arange(1, end + 1)
        fits = size <= token_budget
        fits[0] = True
        total = np.where(fits, best[:end][::-1] + size + TOKENS_PER_PASS, np.inf)
        first[end] = end - 1 - int(total.argmin())
        best[end] = total.min()
    groups, end = [], len(ordered)
    while end:
        groups.append(ordered[first[end] : end])
        end = first[end]
    return groups[::-1]


def to_microbatch(group: Sequence[Trajectory], pad_id: int, device: torch.device) -> Microbatch:
    prompt_BS, prompt_mask_BS = pad_left([item.prompt for item in group], pad_id, device)
    response_BT = pad_right([torch.tensor(item.response) for item in group], pad_id).to(device)
    mask_BT = pad_right([torch.ones(len(item.response), dtype=torch.bool) for item in group], False).to(device)
    columns = {name: [getattr(item, f"{name}_T") for item in group] for name in LOGPS}
    attention_BL = torch.cat([prompt_mask_BS, mask_BT.long()], dim=1)
    return Microbatch(
        token_BL=torch.cat([prompt_BS, response_BT], dim=1),
        attention_BL=attention_BL,
        position_BL=positions(attention_BL),
        response_BT=response_BT,
        mask_BT=mask_BT,
        advantage_B=torch.tensor([item.advantage for item in group], device=device),
        logps={f"{name}_BT": pad_right(rows, 0.0).to(device) for name, rows in columns.items() if rows[0] is not None},
    )


def pad_right(values: Sequence[Tensor], fill: float) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True, padding_value=fill)
