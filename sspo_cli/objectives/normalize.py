"""Normalisers omega_i: how much each response counts. Denominators come from `Counts`, never from a micro-batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sspo_cli.objectives.batch import Counts, PolicyBatch

Normalizer = Callable[[PolicyBatch, Counts], Tensor]


def response(batch: PolicyBatch, counts: Counts) -> Tensor:
    """omega_i = 1/N: every response counts the same (GRPO, GSPO, GMPO, SAPO)."""
    return torch.full_like(batch.advantage_B, 1 / counts.responses)


def token(batch: PolicyBatch, counts: Counts) -> Tensor:
    """omega_i = T_i / (all tokens of the update): every token counts the same (DAPO)."""
    return batch.length_B / counts.tokens


def constant(batch: PolicyBatch, counts: Counts) -> Tensor:
    """omega_i = T_i / (N * max_response_length): a token counts the same in every update (Dr.GRPO)."""
    return batch.length_B / (counts.responses * counts.max_response_length)


def total(batch: PolicyBatch, counts: Counts) -> Tensor:
    """omega_i = T_i / N: the sum over the tokens of a response, a mean over responses (REINFORCE)."""
    return batch.length_B / counts.responses


NORMALIZERS: Mapping[str, Normalizer] = {"response": response, "token": token, "constant": constant, "sum": total}
