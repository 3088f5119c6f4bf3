"""Prompts of different lengths as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_left(prompts: Sequence[list[int]], pad_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, [P, S], with every prompt ending in the last column."""
    S = max(len(prompt) for prompt in prompts)
    token_PS = torch.full((len(prompts), S), pad_id)
    attention_PS = torch.zeros(len(prompts), S, dtype=torch.long)
    for p, prompt in enumerate(prompts):
        token_PS[p, S - len(prompt) :] = torch.tensor(prompt)
        attention_PS[p, S - len(prompt) :] = 1
    return token_PS.to(device), attention_PS.to(device)


def positions(attention_RS: Tensor) -> Tensor:
    """Position of every token in its own sequence, [R, S]; 0 at padding."""
    return (attention_RS.cumsum(-1) - 1).clamp(min=0)
