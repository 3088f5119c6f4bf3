"""Log-probabilities and entropies of response tokens under the current policy, without a [B, T, V] tensor."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import Linear, Module

from sspo_cli.engine.trajectory import Microbatch
from sspo_cli.rollout.sampler import at_least_float32

# Logits held at once, 128 MiB in float32.
LOGITS_AT_ONCE = 2**25
SAME_LOGITS = 1e-4

Projection = tuple[Module, Linear]
KNOWN: WeakKeyDictionary[Module, Projection | None] = WeakKeyDictionary()


def response_logprobs(
    model: Any, microbatch: Microbatch, temperature: float, *, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """log pi of every response token, with gradient, and the entropy in nats, with or without: [B, T] each, at least
    float32, zero where masked.

    The logits are divided by the sampler's temperature, so that both see one distribution.
    """
    mask_BT, T = microbatch.mask_BT, microbatch.mask_BT.shape[1]
    inputs = {
        "input_ids": microbatch.token_BL,
        "attention_mask": microbatch.attention_BL,
        "position_ids": microbatch.position_BL,
        "use_cache": False,
    }
    parts = projection(model)
    token_N = microbatch.response_BT[mask_BT]
    # What stands before a token predicts it: of the last T + 1 positions, all but the very last.
    if parts is None:
        logits_NV = model(**inputs, logits_to_keep=T + 1).logits[:, :-1][mask_BT]
        logp_N, entropy_N = of_logits(logits_NV.to(at_least_float32(logits_NV.dtype)) / temperature, token_N)
    else:
        trunk, head = parts
        hidden_ND = trunk(**inputs).last_hidden_state[:, -T - 1 : -1][mask_BT]
        logp_N, entropy_N = Projected.apply(hidden_ND, head.weight, head.bias, token_N, temperature)  # type: ignore[no-untyped-call]
    if not entropy_gradient:
        entropy_N = entropy_N.detach()
    blank_BT = logp_N.new_zeros(mask_BT.shape)
    return blank_BT.masked_scatter(mask_BT, logp_N), blank_BT.masked_scatter(mask_BT, entropy_N)


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
        ctx.save_for_backward(hidden_ND, weight_VD, bias_V, token_N)
        ctx.temperature = temperature
        ctx.set_materialize_grads(False)
        found = [
            of_logits(logits(hidden_ND[rows], weight_VD, bias_V, temperature), token_N[rows])
            for rows in pieces(hidden_ND, weight_VD)
        ]
        return torch.cat([logp for logp, _ in found]), torch.cat([entropy for _, entropy in found])

    @staticmethod
    def backward(ctx: Any, by_logp_N: Tensor | None, by_entropy_N: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden_ND, weight_VD, bias_V, token_N = ctx.saved_tensors
        by_hidden_ND = torch.zeros_like(hidden_ND)
        by_weight_VD = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        by_bias_V = torch.zeros_like(bias_V) if ctx.needs_input_grad[2] else None
        for rows in pieces(hidden_ND, weight_VD):
            logp_NV = torch.log_softmax(logits(hidden_ND[rows], weight_VD, bias_V, ctx.temperature), dim=-1)
            p_NV = logp_NV.exp()
            by_logits_NV = torch.zeros_like(p_NV)
            if by_logp_N is not None:
                by_logits_NV = (p_NV * -by_logp_N[rows, None]).scatter_add_(
                    1, token_N[rows, None], by_logp_N[rows, None]
                )
            if by_entropy_N is not None:
                entropy_N1 = -(p_NV * logp_NV).sum(-1, keepdim=True)
                by_logits_NV = by_logits_NV - by_entropy_N[rows, None] * p_NV * (logp_NV + entropy_N1)
            by_logits_NV = (by_logits_NV / ctx.temperature).to(weight_VD.dtype)
            by_hidden_ND[rows] = by_logits_NV @ weight_VD
            if by_weight_VD is not None:
                by_weight_VD += by_logits_NV.T @ hidden_ND[rows]
            if by_bias_V is not None:
                by_bias_V += by_logits_NV.sum(0)
        return by_hidden_ND, by_weight_VD, by_bias_V, None, None


def logits(hidden_ND: Tensor, weight_VD: Tensor, bias_V: Tensor | None, temperature: float) -> Tensor:
    logits_NV = torch.nn.functional.linear(hidden_ND, weight_VD, bias_V)
    return logits_NV.to(at_least_float32(logits_NV.dtype)) / temperature


def pieces(hidden_ND: Tensor, weight_VD: Tensor) -> list[slice]:
    """The rows, so many at a time that their logits stay within LOGITS_AT_ONCE."""
    rows = max(1, LOGITS_AT_ONCE // len(weight_VD))
    return [slice(first, first + rows) for first in range(0, len(hidden_ND), rows)]


def projection(model: Any) -> Projection | None:
    """The model without its output layer, and that layer; None where the logits are more than its projection.

    Found once for every model, by comparing with its own logits of a few tokens.
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
    expected = model(input_ids=token_1L, use_cache=False).logits
    found = head(trunk(input_ids=token_1L, use_cache=False).last_hidden_state)
    return (trunk, head) if torch.allclose(found, expected, rtol=SAME_LOGITS, atol=SAME_LOGITS) else None
