"""The output layer of a language model: log-probabilities and entropies without the logits of all positions at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import Linear, Module

# Logits held at once. 16 MiB in float32 was the fastest on a CPU, of 4 to 128 MiB. On an H100 256 MiB made an update
# of a 0.5B model 1.6 times as fast as 16 MiB; 1 GiB gained another 5 % (docs/evidence/speed.md).
LOGITS_AT_ONCE = {"cpu": 2**22, "cuda": 2**26}
POSITIONS_AT_LEAST = 64
SAME_LOGITS = 1e-4
LARGE_LOGIT = 100.0

Projection = tuple[Module, Linear]
KNOWN: WeakKeyDictionary[Module, Projection | None] = WeakKeyDictionary()


def of_logits(logits_NV: Tensor, token_N: Tensor) -> tuple[Tensor, Tensor]:
    """log-softmax at `token_N`, and the entropy of each row: [N], [N]."""
    logp_NV = torch.log_softmax(logits_NV, dim=-1)
    return logp_NV.gather(1, token_N[:, None]).squeeze(1), -(logp_NV.exp() * logp_NV).sum(-1)


class Projected(torch.autograd.Function):
    """`of_logits` of hidden_ND @ weight.T + bias, some rows at a time; the backward pass computes the logits anew.

    By a row's logits log pi has the gradient onehot - p, and the entropy H has -p (log p + H).
    """

    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, token_N: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        device = hidden_ND.device.type
        ctx.precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden_ND.dtype
        head = Head(hidden_ND, weight_VD, bias_V, temperature, ctx.precision)
        logp_N, entropy_N, log_mass_N = (
            torch.cat(parts)
            for parts in zip(*(head.measure(rows, token_N[rows]) for rows in head.pieces()), strict=True)
        )
        ctx.save_for_backward(hidden_ND, weight_VD, bias_V, token_N, entropy_N, log_mass_N)
        ctx.temperature = temperature
        ctx.set_materialize_grads(False)
        return logp_N, entropy_N

    @staticmethod
    def backward(ctx: Any, by_logp_N: Tensor | None, by_entropy_N: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden_ND, weight_VD, bias_V, token_N, entropy_N, log_mass_N = ctx.saved_tensors
        head = Head(hidden_ND, weight_VD, bias_V, ctx.temperature, ctx.precision)
        if by_logp_N is None:
            by_logp_N = torch.zeros_like(log_mass_N)
        by_hidden_ND = torch.empty_like(hidden_ND)
        by_weight_VD = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        by_bias_V = torch.zeros_like(bias_V) if ctx.needs_input_grad[2] else None
        for rows in head.pieces():
            logp_NV = head.logits(rows).sub_(log_mass_N[rows, None])
            by_logp_N1 = by_logp_N[rows, None]
            if by_entropy_N is None:
                by_logits_NV = logp_NV.exp_().mul_(-by_logp_N1)
            else:
                by_p_NV = (logp_NV + entropy_N[rows, None]).mul_(-by_entropy_N[rows, None]).sub_(by_logp_N1)
                by_logits_NV = logp_NV.exp_().mul_(by_p_NV)
            by_logits_NV.scatter_add_(1, token_N[rows, None], by_logp_N1)
            by_logits_NV = by_logits_NV.div_(ctx.temperature).to(ctx.precision)
            by_hidden_ND[rows] = by_logits_NV @ head.weight_VD
            if by_weight_VD is not None:
                by_weight_VD += by_logits_NV.T @ head.hidden_ND[rows]
            if by_bias_V is not None:
                by_bias_V += by_logits_NV.sum(0)
        return by_hidden_ND, by_weight_VD, by_bias_V, None, None


class Head:
    """The output layer, applied to some of the N positions at a time, in `precision`."""

    def __init__(
        self, hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, temperature: float, precision: torch.dtype
    ) -> None:
        self.hidden_ND = hidden_ND.to(precision)
        self.weight_VD = weight_VD.to(precision)
        self.bias_V = None if bias_V is None else bias_V.to(precision)
        self.temperature = temperature

    def pieces(self) -> list[slice]:
        """All positions, so many at a time that their logits stay within LOGITS_AT_ONCE, but POSITIONS_AT_LEAST."""
        rows = positions_at_once(len(self.weight_VD), self.weight_VD.device)
        return [slice(first, first + rows) for first in range(0, len(self.hidden_ND), rows)]

    def logits(self, rows: slice) -> Tensor:
        with torch.autocast(self.hidden_ND.device.type, enabled=False):
            logits_NV = torch.nn.functional.linear(self.hidden_ND[rows], self.weight_VD, self.bias_V)
        return logits_NV.to(at_least_float32(logits_NV.dtype)).div_(self.temperature)

    def measure(self, rows: slice, token_N: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log pi of token_N, the entropy, and log of the sum of the exponentiated logits: [N] each."""
        logits_NV = self.logits(rows)
        top_N1 = logits_NV.amax(-1, keepdim=True)
        above_N = logits_NV.sub_(top_N1).gather(1, token_N[:, None]).squeeze(1)
        mass_NV = logits_NV.exp()
        mass_N = mass_NV.sum(-1)
        log_mass_N = mass_N.log()
        entropy_N = log_mass_N - mass_NV.mul_(logits_NV).sum(-1) / mass_N
        return above_N - log_mass_N, entropy_N, log_mass_N + top_N1.squeeze(1)


def positions_at_once(vocabulary: int, device: torch.device) -> int:
    return max(POSITIONS_AT_LEAST, LOGITS_AT_ONCE[device.type] // vocabulary)


def projection(model: Any) -> Projection | None:
    """The model without its output layer, and that layer; None where the logits are more than its projection.

    Found once for every model, by comparing with its own logits of a few tokens: as they are, and enlarged, since a
    soft cap changes large logits alone.
    """
    if model not in KNOWN:
        KNOWN[model] = find_projection(model)
    return KNOWN[model]


@torch.no_grad()
def find_projection(model: Any) -> Projection | None:
    whole = model.get_base_model() if hasattr(model, "get_base_model") else model
    trunk, head = whole.base_model, whole.get_output_embeddings()
    if trunk is whole or not isinstance(head, Linear):
        return None
    token_1L = torch.arange(1, 5, device=head.weight.device)[None] % len(head.weight)
    hidden_1LD = trunk(input_ids=token_1L, use_cache=False).last_hidden_state
    if hidden_1LD.shape[-1] != head.in_features:
        return None
    largest = float(head(hidden_1LD).abs().max())
    for factor in (1.0, LARGE_LOGIT / max(largest, 1e-6)):
        with scaled_input(head, factor):
            expected = model(input_ids=token_1L, use_cache=False).logits
        if not torch.allclose(head(factor * hidden_1LD), expected, rtol=SAME_LOGITS, atol=SAME_LOGITS):
            return None
    return trunk, head


@contextmanager
def scaled_input(head: Linear, factor: float) -> Iterator[None]:
    """Multiply what `head` is given by `factor` inside the block."""
    hook = head.register_forward_pre_hook(lambda module, inputs: (factor * inputs[0], *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
