"""Before the first update all ratios are 1: objectives with one normaliser and one advantage have one gradient."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from sspo_cli.commands.train import load_parts
from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.experience import Group, draw, learn_from, problems_from
from sspo_cli.engine.parts import Parts
from sspo_cli.engine.score import with_logps
from sspo_cli.engine.update import make_updater

pytestmark = pytest.mark.slow


NAMES = [name for name in groups()["objective"] if name != "sft"]
# A product of ratios moves a response by all of its tokens, as the sum does.
SAME_NORMALIZER = {"rloo": "sum"}


def settings(name: str, *words: str) -> TrainConfig:
    return load_config(TrainConfig, [f"objective={name}", "batch.prompts=16", "engine.precision=float32", *words])


@cache
def rollout() -> tuple[Parts, list[Group]]:
    """The embedded default's first rollout."""
    config = settings("sspo")
    parts = load_parts(config)
    return parts, draw(parts, config, problems_from(parts, 0, 16), 1, 0, lambda done, total: None)


@cache
def first_gradient(name: str, *words: str) -> torch.Tensor:
    parts, drawn = rollout()
    config = settings(name, *words)
    trajectories = with_logps(learn_from(drawn, parts, config).trajectories, parts, config)
    parts.policy.model.zero_grad()
    make_updater(parts.policy, config).backward(trajectories)
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
