"""Adapters learn alone, and the base under them is the reference policy."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from sspo_cli.commands.train import load_parts
from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import LocalModel, TrainConfig
from sspo_cli.engine.checkpoint import Progress, save_checkpoint
from sspo_cli.engine.experience import draw, learn_from, problems_from
from sspo_cli.engine.parts import Parts
from sspo_cli.engine.score import score, with_logps
from sspo_cli.engine.trajectory import Trajectory
from sspo_cli.engine.update import make_updater
from sspo_cli.models.load import architecture, load_policy
from sspo_cli.rewards.base import Score

WORDS = ["preset=smoke", "batch.prompts=4", "lora.rank=4", "optim.lr=1e-2", "objective.kl.coef=0.5"]
CONFIG = load_config(TrainConfig, WORDS)


def learned(config: TrainConfig = CONFIG) -> tuple[Parts, list[Trajectory]]:
    """A policy that two updates have moved, and the rollout that it moved on."""
    parts = load_parts(config)
    groups = draw(parts, config, problems_from(parts, 0, 4), 1, 0, lambda done, total: None)
    for group in groups:
        group.scores[:] = [Score({"exact": float(i % 2)}, None) for i in range(len(group.scores))]
    trajectories = with_logps(learn_from(groups, parts, config).trajectories, parts, config)
    updater = make_updater(parts.policy, config)
    for _ in range(2):
        updater.update(trajectories, lr=1e-2)
    return parts, trajectories


def base_policy():  # type: ignore[no-untyped-def]
    return load_policy(CONFIG.model, 0, torch.device("cpu"))


def test_new_adapters_change_nothing_and_updates_move_them_alone() -> None:
    before = {name: value.clone() for name, value in load_parts(CONFIG).policy.model.named_parameters()}
    parts, _ = learned()
    moved = {name for name, value in parts.policy.model.named_parameters() if not torch.equal(value, before[name])}
    assert moved and all("lora_" in name for name in moved)
    assert {name for name in before if "lora_B" in name} <= moved


def test_the_reference_is_the_base_while_the_policy_has_moved() -> None:
    parts, trajectories = learned()
    assert parts.reference is not None and parts.reference.policy.model is parts.policy.model
    with parts.reference.active() as reference:
        under_adapters = score(reference, trajectories, CONFIG)
    expected = score(base_policy(), trajectories, CONFIG)
    now = score(parts.policy, trajectories, CONFIG)
    assert all(torch.equal(a, b) for a, b in zip(under_adapters, expected, strict=True))
    assert max(float((a - b).abs().max()) for a, b in zip(now, expected, strict=True)) > 0.01


def test_the_reference_of_a_policy_without_adapters_is_a_second_model_that_stays() -> None:
    config = load_config(TrainConfig, [*WORDS, "lora.rank=0"])
    parts, trajectories = learned(config)
    assert parts.reference is not None and parts.reference.policy.model is not parts.policy.model
    with parts.reference.active() as reference:
        kept = score(reference, trajectories, config)
    assert all(torch.equal(a, b) for a, b in zip(kept, score(base_policy(), trajectories, config), strict=True))


def test_a_checkpoint_of_adapters_loads_as_a_model_and_as_adapters(tmp_path: Path) -> None:
    parts, trajectories = learned()
    now = score(parts.policy, trajectories, CONFIG)
    updater = make_updater(parts.policy, CONFIG)
    saved = save_checkpoint(tmp_path, parts.policy, updater.optimizer, Progress(1), [], keep=1)
    merged = load_policy(LocalModel(kind="local", path=str(saved)), 0, torch.device("cpu"))
    assert not merged.adapted and not any("lora" in name for name in merged.model.state_dict())
    assert max(float((a - b).abs().max()) for a, b in zip(score(merged, trajectories, CONFIG), now, strict=True)) < 1e-4
    again = load_parts(CONFIG, saved)
    assert all(torch.equal(a, b) for a, b in zip(score(again.policy, trajectories, CONFIG), now, strict=True))
    assert {value.requires_grad for name, value in again.policy.model.named_parameters() if "lora" in name} == {True}
    assert architecture(LocalModel(kind="local", path=str(saved))).model_type == "llama"
    assert AutoModelForCausalLM.from_pretrained(saved).config.model_type == "llama"
