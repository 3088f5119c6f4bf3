"""What an objective reads (`PolicyBatch`, `Counts`) and what it returns (`ObjectiveOutput`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

LOG_RATIO_LIMIT = 20.0


@dataclass(frozen=True)
class PolicyBatch:
    """B responses, right-padded to T tokens.

    logp_BT: log pi_theta of each response token, with gradient.
    old_logp_BT: log-probability under the policy that sampled it, no gradient.
    advantage_B: one advantage per response.
    mask_BT: bool, True at response tokens. Values elsewhere are never read, NaN included.

    Raises:
        ValueError: if the shapes disagree, so that [B] never broadcasts against [B, T] by accident.
    """

    logp_BT: Tensor
    old_logp_BT: Tensor
    advantage_B: Tensor
    mask_BT: Tensor

    def __post_init__(self) -> None:
        B, T = self.logp_BT.shape
        expected = {"old_logp_BT": (B, T), "mask_BT": (B, T), "advantage_B": (B,)}
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has shape {tuple(getattr(self, name).shape)}, expected {shape}")
        if self.mask_BT.dtype != torch.bool:
            raise ValueError(f"mask_BT has dtype {self.mask_BT.dtype}, expected torch.bool")

    @property
    def length_B(self) -> Tensor:
        """Response tokens per response in the dtype of advantage_B, at least 1 so that it can divide."""
        return self.mask_BT.sum(-1).clamp(min=1).to(self.advantage_B.dtype)


@dataclass(frozen=True)
class Counts:
    """Sizes of the whole optimizer update, over all its micro-batches: the denominators of every objective.

    responses: number of responses N; tokens: response tokens in total;
    max_response_length: the cap on response length, in tokens (Dr.GRPO's constant).
    """

    responses: int
    tokens: int
    max_response_length: int


@dataclass(frozen=True)
class ObjectiveOutput:
    """loss: scalar to minimise, equal to -J. metrics: the diagnostics of this batch, computed when first read."""

    loss: Tensor
    _diagnose: Callable[[], dict[str, Tensor]]

    @cached_property
    def metrics(self) -> dict[str, Tensor]:
        return self._diagnose()


def masked_mean(value_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Mean over the response tokens of each response: [B, T] -> [B]. Masked values are not read."""
    return torch.where(mask_BT, value_BT, 0).sum(-1) / mask_BT.sum(-1).clamp(min=1)
