"""Random updates, and what an objective makes of them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch
from sspo_cli.objectives.objective import Objective

SPREADS = (3e-4, 0.05, 0.3, 1.0)
MISMATCH = 0.5
GARBAGE = 1e3


@dataclass(frozen=True)
class Evaluation:
    """The loss of one batch and its gradients by logp_BT and by entropy_BT, zero where one is not read."""

    loss: Tensor
    gradient_BT: Tensor
    entropy_gradient_BT: Tensor
    out: ObjectiveOutput


def random_case(
    seed: int,
    B: int = 6,
    T: int = 7,
    spread: float | None = None,
    dtype: torch.dtype = torch.float64,
) -> tuple[PolicyBatch, Counts]:
    """B responses of 1 to T tokens inside a larger update.

    Advantages of both signs and zero; holes in the masks; finite garbage where masked; log-ratios with standard
    deviation `spread`, by default one of SPREADS, so that clipping as narrow as GSPO's and as wide as GMPO's is met on
    both sides. Sampler and reference differ from the policies beside them by MISMATCH nats.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    length_B1 = torch.randint(1, T + 1, (B, 1), generator=generator)
    mask_BT = (torch.arange(T) < length_B1) & (torch.rand(B, T, generator=generator) > 0.15)
    mask_BT[:, 0] = True
    spread = SPREADS[seed % len(SPREADS)] if spread is None else spread
    logp_BT = torch.where(mask_BT, -0.1 - normal(B, T).abs(), GARBAGE * normal(B, T))
    old_logp_BT = torch.where(mask_BT, logp_BT - spread * normal(B, T), GARBAGE * normal(B, T))
    size_B = 0.1 + normal(B).abs()
    sign_B = torch.tensor([1, -1, 0, -1, 1, 1], dtype=dtype).repeat(B)[:B]
    advantage_B = (size_B * sign_B)[torch.randperm(B, generator=generator)]
    batch = PolicyBatch(
        logp_BT,
        old_logp_BT,
        advantage_B,
        mask_BT,
        rollout_logp_BT=old_logp_BT - MISMATCH * normal(B, T),
        reference_logp_BT=logp_BT - MISMATCH * normal(B, T),
        entropy_BT=normal(B, T).abs(),
    )
    return batch, Counts(responses=2 * B + 1, tokens=int(mask_BT.sum()) + 11, max_response_length=T + 5)


def on_policy(batch: PolicyBatch) -> PolicyBatch:
    """`batch` where current, old and sampling policy are one: r = 1."""
    return replace(batch, old_logp_BT=batch.logp_BT, rollout_logp_BT=batch.logp_BT)


def evaluate(objective: Objective, batch: PolicyBatch, counts: Counts) -> Evaluation:
    """Loss and gradients of `batch`."""
    logp_BT = batch.logp_BT.detach().clone().requires_grad_()
    entropy_BT = batch.needed("entropy_BT").detach().clone().requires_grad_()
    out = objective(replace(batch, logp_BT=logp_BT, entropy_BT=entropy_BT), counts)
    by_logp_BT, by_entropy_BT = torch.autograd.grad(out.loss, (logp_BT, entropy_BT), materialize_grads=True)
    return Evaluation(out.loss.detach(), by_logp_BT, by_entropy_BT, out)


def rows(batch: PolicyBatch, index: Tensor) -> PolicyBatch:
    """The responses `index` of `batch`."""
    tensors = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return PolicyBatch(**{name: value[index] for name, value in tensors.items() if value is not None})


def columns(batch: PolicyBatch, index: Tensor) -> PolicyBatch:
    """The token positions `index` of `batch`."""
    return replace(batch, **{name: value[:, index] for name, value in batch.token_tensors().items()})


def padded(batch: PolicyBatch, extra: int) -> PolicyBatch:
    """`batch` with `extra` masked positions of garbage behind it."""

    def longer(value_BT: Tensor) -> Tensor:
        padding_BT = torch.full((len(value_BT), extra), GARBAGE).to(value_BT.dtype)
        return torch.cat([value_BT, padding_BT], dim=1)

    tensors = {name: longer(value_BT) for name, value_BT in batch.token_tensors().items() if name != "mask_BT"}
    mask_BT = torch.cat([batch.mask_BT, torch.zeros(len(batch.mask_BT), extra, dtype=torch.bool)], dim=1)
    return replace(batch, mask_BT=mask_BT, **tensors)
