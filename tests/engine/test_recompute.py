"""Gradient checkpointing in eval mode: the same gradients from less memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sspo_cli.build import build_objective
from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.update import make_updater
from sspo_cli.engine.world import OneProcess
from sspo_cli.models.base import Base
from sspo_cli.models.lora import with_adapters
from sspo_cli.models.policy import Policy
from sspo_cli.models.recompute import check_recomputing, recomputing
from sspo_cli.types import Trajectory
from tests.engine.test_update import trajectories
from tests.tiny_models import ARCHITECTURES, policy_of, random_policy

CONFIG = load_config(TrainConfig, ["objective.entropy_coef=0.01"])
OBJECTIVE = build_objective(CONFIG.objective)


class Bytes:
    """Of what the forward passes kept for the backward pass: every storage once. held: of the weights, not counted."""

    def __init__(self, policy: Policy) -> None:
        self.weights = {value.untyped_storage().data_ptr() for value in policy.model.parameters()}
        self.kept: dict[int, int] = {}

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.weights:
            self.kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    @property
    def total(self) -> int:
        return sum(self.kept.values())


def gradient(policy: Policy, items: Sequence[Trajectory], *, recompute: bool) -> tuple[Tensor, int]:
    """Of one update, all weights in one, and the bytes that it kept."""
    config = replace(CONFIG, engine=replace(CONFIG.engine, gradient_checkpointing=recompute))
    updater = make_updater(policy, OBJECTIVE, config, OneProcess())
    updater.optimizer.zero_grad()
    kept = Bytes(policy)
    forward = updater.forward

    def measured(group: Sequence[Trajectory]) -> object:
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
            return forward(group)

    updater.forward = measured  # type: ignore[method-assign,assignment]
    updater.backward(items)
    found = [value.grad.flatten() for value in policy.model.parameters() if value.grad is not None]
    return torch.cat(found), kept.total


SOME = ["llama", "qwen3", "gpt2", "gemma2", "opt", "mixtral", "lfm2"]


@pytest.mark.parametrize("architecture", SOME)
def test_the_gradient_is_the_same(architecture: str) -> None:
    policy = random_policy(architecture, spread=0.1)
    items = trajectories(6)
    plain, _ = gradient(policy, items, recompute=False)
    again, _ = gradient(policy, items, recompute=True)
    assert not policy.model.training and float(plain.norm()) > 0
    assert torch.allclose(again, plain, rtol=0, atol=1e-6 * max(1.0, float(plain.abs().max())))


def deep(adapters: bool) -> Policy:
    config = ARCHITECTURES["llama"]
    policy = policy_of(type(config)(**{**config.to_dict(), "num_hidden_layers": 12}), spread=0.05)
    if adapters:
        base = Base(CONFIG.model, 0, None)
        policy = with_adapters(policy, replace(CONFIG.lora, rank=2), 0, base)
        for name, value in policy.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(value, std=0.1)
    return policy


@pytest.mark.parametrize("adapters", [False, True])
def test_memory_falls(adapters: bool) -> None:
    items = trajectories(12)
    policy = deep(adapters)
    plain, much = gradient(policy, items, recompute=False)
    again, little = gradient(policy, items, recompute=True)
    assert torch.allclose(again, plain, rtol=0, atol=1e-6 * max(1.0, float(plain.abs().max())))
    assert little < much / 4, (little, much)


def test_outside_of_an_update_nothing_changes() -> None:
    policy = random_policy()
    token_1L = torch.arange(1, 9)[None]
    with torch.no_grad():
        before = policy.model(token_1L).logits
        with recomputing(policy.model, wanted=True):
            inside = policy.model(token_1L).logits
        after = policy.model(token_1L).logits
    assert torch.equal(before, inside) and torch.equal(before, after)
    assert not [layer for layer in policy.model.modules() if "forward" in vars(layer)]
    check_recomputing(policy.model)


def test_a_model_without_such_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match="transformers marks no layers of models of type llama"):
        check_recomputing(Bare())


class Bare(torch.nn.Linear):
    config = ARCHITECTURES["llama"]

    def __init__(self) -> None:
        super().__init__(2, 2)
