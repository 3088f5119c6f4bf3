"""Random updates and the list of objectives that every law is asked of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
import yaml
from torch import Tensor

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import choice_file, groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import ObjectiveConfig, TrainConfig
from sspo_cli.objectives import Counts, Objective, ObjectiveOutput, PolicyBatch, load_objective

SPREADS = (3e-4, 0.05, 0.3, 1.0)
GARBAGE = 1e3


@dataclass(frozen=True)
class Variant:
    """An objective of conf/objective with overrides, as a user would write it."""

    name: str
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = (word.replace("objective/", "").replace("objective.", "") for word in self.overrides)
        return ",".join([self.name, *words])


def experience(name: str) -> str:
    file = choice_file("objective", name)
    assert file is not None
    return str(yaml.safe_load(file.read_text())["experience"])


NAMED = [Variant(name) for name in groups()["objective"]]
POLICY = [variant for variant in NAMED if experience(variant.name) == "rollout"]
GATES = [gate for gate in groups()["objective/gate"] if gate != "constant"]
BOUNDED = ("identity", "clip", "clip_sequence", "log_clip")
SOFT_GATES = [gate for gate in GATES if gate not in BOUNDED]
UNIT_GATES = [gate for gate in SOFT_GATES if gate != "sigmoid"]

CROSSED = [Variant(name, (f"objective/gate={gate}",)) for name in ("sspo", "sapo", "gspo") for gate in GATES]
ONE_SIDED = [
    Variant(name, (f"objective/gate={gate}", "objective.gate.one_sided=true"))
    for name in ("sspo", "sapo")
    for gate in UNIT_GATES
]
NORMALIZED = [
    Variant(name, (f"objective.normalize={normalize}",))
    for name in ("sspo", "grpo")
    for normalize in ("token", "constant")
]
RATIO_FORM = [*NAMED, *CROSSED, *ONE_SIDED, *NORMALIZED]
SCORE_FORM = [
    Variant(name, ("objective.form=score", *gate))
    for name in ("sspo", "grpo", "gspo")
    for gate in ((), ("objective/gate=constant",))
]
ALL = [*RATIO_FORM, *SCORE_FORM]


@cache
def load(variant: Variant) -> Objective:
    return load_objective(variant.name, overrides=variant.overrides)


@cache
def config(variant: Variant) -> ObjectiveConfig:
    words = [f"objective={variant.name}", *variant.overrides]
    return load_config(TrainConfig, words, rules=objective_problems).objective


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
    both sides.
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
    counts = Counts(responses=2 * B + 1, tokens=int(mask_BT.sum()) + 11, max_response_length=T + 5)
    return PolicyBatch(logp_BT, old_logp_BT, advantage_B, mask_BT), counts


def evaluate(objective: Objective, batch: PolicyBatch, counts: Counts) -> tuple[Tensor, Tensor, ObjectiveOutput]:
    """Loss, its gradient by logp_BT, and the whole output."""
    logp_BT = batch.logp_BT.detach().clone().requires_grad_()
    out = objective(replace(batch, logp_BT=logp_BT), counts)
    (gradient_BT,) = torch.autograd.grad(out.loss, logp_BT)
    return out.loss.detach(), gradient_BT, out


def rows(batch: PolicyBatch, index: Tensor) -> PolicyBatch:
    """The responses `index` of `batch`."""
    return PolicyBatch(batch.logp_BT[index], batch.old_logp_BT[index], batch.advantage_B[index], batch.mask_BT[index])


def columns(batch: PolicyBatch, index: Tensor) -> PolicyBatch:
    """The token positions `index` of `batch`."""
    return PolicyBatch(batch.logp_BT[:, index], batch.old_logp_BT[:, index], batch.advantage_B, batch.mask_BT[:, index])


def omega(normalize: str, batch: PolicyBatch, counts: Counts) -> Tensor:
    """The normaliser of each response, written out."""
    tokens_B = batch.mask_BT.sum(-1).to(batch.advantage_B.dtype)
    return {
        "response": torch.ones_like(tokens_B) / counts.responses,
        "token": tokens_B / counts.tokens,
        "constant": tokens_B / (counts.responses * counts.max_response_length),
    }[normalize]
