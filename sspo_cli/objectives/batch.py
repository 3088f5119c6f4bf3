"""What an objective reads (`PolicyBatch`, `Counts`) and what it returns (`ObjectiveOutput`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
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
    rollout_logp_BT: log-probability as the sampler computed it; read by an off-policy correction.
    reference_logp_BT: log-probability under the reference policy; read by a KL penalty against it.
    entropy_BT: entropy in nats of the distribution that each token was drawn from, with gradient; read by an entropy
        bonus.

    Raises:
        ValueError: if the shapes disagree, so that [B] never broadcasts against [B, T] by accident.
    """

    logp_BT: Tensor
    old_logp_BT: Tensor
    advantage_B: Tensor
    mask_BT: Tensor
    rollout_logp_BT: Tensor | None = None
    reference_logp_BT: Tensor | None = None
    entropy_BT: Tensor | None = None

    def __post_init__(self) -> None:
        B, T = self.logp_BT.shape
        for field in fields(self):
            value, shape = getattr(self, field.name), (B,) if field.name == "advantage_B" else (B, T)
            if value is not None and tuple(value.shape) != shape:
                raise ValueError(f"{field.name} has shape {tuple(value.shape)}, expected {shape}")
        if self.mask_BT.dtype != torch.bool:
            raise ValueError(f"mask_BT has dtype {self.mask_BT.dtype}, expected torch.bool")

    def token_tensors(self) -> dict[str, Tensor]:
        """Every tensor of shape [B, T] that is there, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "advantage_B"}
        return {name: value for name, value in named.items() if value is not None}

    def detach(self) -> PolicyBatch:
        """The same batch without gradients."""
        return replace(self, **{name: value.detach() for name, value in self.token_tensors().items()})

    def needed(self, name: str) -> Tensor:
        """The optional tensor `name`.

        Raises:
            ValueError: if the batch was made without it.
        """
        value: Tensor | None = getattr(self, name)
        if value is None:
            raise ValueError(f"this objective reads {name}, which the batch does not have")
        return value

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


def masked_difference(left_BT: Tensor, right_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """left - right in at least float32, zero where masked.

    The mask selects before anything is computed: multiplying by it afterwards would keep a masked NaN alive.
    """
    dtype = torch.promote_types(left_BT.dtype, torch.float32)
    return torch.where(mask_BT, left_BT.to(dtype) - right_BT.to(dtype), 0)
