"""Before the first update all ratios are 1: objectives with one normaliser and one advantage have one gradient."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from sspo_cli.build import build_objective
from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.rollout.collect import Group
from tests.steps import credited, sample_groups, updater_of, with_logps

pytestmark = pytest.mark.slow


NAMES = [name for name in groups()["objective"] if name != "sft"]
# A product of ratios moves a response by all of its tokens, as the sum does.
SAME_NORMALIZER = {"rloo": "sum"}


def settings(name: str, *words: str) -> TrainConfig:
    return load_config(TrainConfig, [f"objective={name}", "batch.prompts=16", "engine.precision=float32", *words])


@cache
def rollout() -> tuple[TrainParts, list[Group]]:
    """The embedded default's first rollout."""
    config = settings("sspo")
    parts = load_parts(config)
    return parts, sample_groups(parts, config, 16)


@cache
def first_gradient(name: str, *words: str) -> torch.Tensor:
    parts, drawn = rollout()
    config = settings(name, *words)
    trajectories = with_logps(credited(drawn, parts, config), parts, config)
    parts.policy.model.zero_grad()
    updater_of(replace(parts, objective=build_objective(config.objective)), config).backward(trajectories)
    return torch.cat([parameter.grad.double().flatten() for parameter in parts.policy.model.parameters()])


@pytest.mark.parametrize("name", NAMES)
def test_the_first_gradient_is_grpos_under_the_same_normaliser_and_advantage(name: str) -> None:
    assert len({group.tied for group in rollout()[1]}) == 2, "live groups are needed, and dead ones"
    own = settings(name).objective
    normalize = SAME_NORMALIZER.get(name, own.normalize)
    words = (f"objective.advantage={own.advantage}", f"objective.normalize={normalize}",
             f"objective.overlong.penalty={own.overlong.penalty}")  # fmt: skip
    found, expected = first_gradient(name), first_gradient("grpo", *words)
    assert float(expected.norm()) > 1e-3
    assert float((found - expected).norm() / expected.norm()) < 1e-4
