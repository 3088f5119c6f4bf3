"""Adapters learn alone, and the base under them is the reference policy."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, LoraSection, TrainConfig
from sspo_cli.engine.checkpoint import Progress, save_checkpoint
from sspo_cli.engine.logprobs import trajectory_logprobs
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.models.load import architecture, load_policy
from sspo_cli.models.lora import lora_config
from sspo_cli.models.policy import Policy
from sspo_cli.types import Trajectory
from tests.steps import credited, sample_groups, score_anew, updater_of, with_logps
from tests.tiny_models import random_policy

pytestmark = pytest.mark.slow


SMALL = ["batch.prompts=4", "batch.samples_per_prompt=4", "rollout.max_response_length=24"]
WORDS = ["preset=smoke", *SMALL, "lora.rank=4", "optim.lr=1e-2", "objective.kl.coef=0.5"]
CONFIG = load_config(TrainConfig, WORDS)
CPU = torch.device("cpu")


def learned(config: TrainConfig = CONFIG) -> tuple[TrainParts, list[Trajectory]]:
    """A policy that two updates have moved, and the rollout that it moved on."""
    parts = load_parts(config)
    groups = sample_groups(parts, config, 4)
    score_anew(groups, lambda i: float(i % 2))
    trajectories = with_logps(credited(groups, parts, config), parts, config)
    updater = updater_of(parts, config)
    for _ in range(2):
        updater.update(trajectories, lr=1e-2)
    return parts, trajectories


def score(policy: Policy, trajectories: list[Trajectory], config: TrainConfig) -> list[torch.Tensor]:
    """The log-probabilities of the responses."""
    logps = trajectory_logprobs(policy, trajectories, config)
    return [logp_L[item.trained_L] for logp_L, item in zip(logps, trajectories, strict=True)]


def base_policy() -> Policy:
    return load_policy(CONFIG.model, 0, CPU)


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


def furthest(a: Policy, b: list[torch.Tensor], trajectories: list[Trajectory]) -> float:
    """The largest difference in log-probability of a token."""
    return max(float((x - y).abs().max()) for x, y in zip(score(a, trajectories, CONFIG), b, strict=True))


def save(parts: TrainParts, folder: Path) -> Path:
    return save_checkpoint(folder, parts.policy, updater_of(parts, CONFIG).optimizer, Progress(1), [], keep=1)


def test_a_checkpoint_of_adapters_loads_as_a_model_and_as_adapters(tmp_path: Path) -> None:
    parts, trajectories = learned()
    now = score(parts.policy, trajectories, CONFIG)
    saved = save(parts, tmp_path)
    model = LocalModel(kind="local", path=str(saved))
    assert furthest(load_policy(model, 0, CPU), now, trajectories) == 0
    merged = load_policy(model, 0, CPU, merged=True)
    assert not merged.adapted and not any("lora" in name for name in merged.model.state_dict())
    assert furthest(merged, now, trajectories) < 1e-4
    again = load_parts(CONFIG, saved)
    assert furthest(again.policy, now, trajectories) == 0
    assert {value.requires_grad for name, value in again.policy.model.named_parameters() if "lora" in name} == {True}
    assert architecture(model).model_type == "llama"
    assert AutoModelForCausalLM.from_pretrained(saved).config.model_type == "llama"


def test_adapters_on_adapters_on_adapters_are_the_same_function_when_they_are_read_again(tmp_path: Path) -> None:
    config, saved = CONFIG, []
    for number in range(3):
        parts, trajectories = learned(config)
        saved.append(save(parts, tmp_path / f"run_{number}"))
        model = LocalModel(kind="local", path=str(saved[-1]))
        config = load_config(TrainConfig, [*WORDS, "lora.rank=8", "model=local", f"model.path={saved[-1]}"])
    now = score(parts.policy, trajectories, CONFIG)
    assert furthest(load_policy(model, 0, CPU), now, trajectories) == 0
    assert furthest(load_parts(config, saved[-1]).policy, now, trajectories) == 0
    without_the_second = load_policy(LocalModel(kind="local", path=str(saved[0])), 0, CPU)
    assert furthest(without_the_second, now, trajectories) > 0.1, "every one of them matters"
    assert parts.reference is not None
    with parts.reference.active() as reference:
        under_adapters = score(reference, trajectories, CONFIG)
    second = load_policy(LocalModel(kind="local", path=str(saved[1])), 0, CPU, merged=True)
    assert furthest(second, under_adapters, trajectories) == 0
    assert architecture(model).model_type == "llama"
    for loader in (AutoModelForCausalLM, AutoPeftModelForCausalLM):
        with pytest.raises((OSError, ValueError)):  # other programs would leave out the adapters below: they shall stop
            loader.from_pretrained(saved[1])


def test_adapters_of_the_hub_are_read_with_their_base_and_others_stand_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, trajectories = learned()
    saved = save(parts, tmp_path / "run")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--somebody--adder" / "snapshots" / ("0" * 40)
    shutil.copytree(saved, snapshot, ignore=shutil.ignore_patterns("trainer", "sspo_*"))
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    words = ["model=hub", "model.path=somebody/adder", "model.revision=main"]
    now = score(parts.policy, trajectories, CONFIG)
    hub = load_config(TrainConfig, [*WORDS, *words])
    assert furthest(load_policy(hub.model, 0, CPU), now, trajectories) == 0
    second, trajectories = learned(hub)
    now = score(second.policy, trajectories, CONFIG)
    again = load_policy(LocalModel(kind="local", path=str(save(second, tmp_path / "other"))), 0, CPU)
    assert furthest(again, now, trajectories) == 0
    assert isinstance(hub.model, HubModel)
    assert again.base is not None and again.base.model == replace(hub.model, revision="0" * 40)
    whole = load_parts(load_config(TrainConfig, [*WORDS, *words, "lora.rank=0"])).policy
    assert not whole.adapted and not any("lora" in name for name in whole.model.state_dict())


def test_a_folder_is_a_folder_under_the_name_of_the_hub_too(tmp_path: Path) -> None:
    parts, trajectories = learned()
    saved = save(parts, tmp_path)
    now = score(parts.policy, trajectories, CONFIG)
    model = HubModel(kind="hub", path=str(saved), revision="main")
    assert furthest(load_policy(model, 0, CPU), now, trajectories) == 0
    (saved / "trainer" / "pending.json").unlink()
    with pytest.raises(ConfigError, match=r"pending\.json: damaged: it is missing"):
        load_policy(model, 0, CPU)


def test_a_base_is_taken_where_it_is_whole(tmp_path: Path) -> None:
    """The place where it was trained has been written to, but the folders were copied before."""
    parts, _ = learned()
    first = save(parts, tmp_path / "made" / "first")
    config = load_config(TrainConfig, [*WORDS, "model=local", f"model.path={first}"])
    parts, trajectories = learned(config)
    second = save(parts, tmp_path / "made" / "second")
    now = score(parts.policy, trajectories, CONFIG)
    shutil.copytree(tmp_path / "made", tmp_path / "copy")
    (first / "tokenizer.json").write_text("{}")
    copied = LocalModel(kind="local", path=str(tmp_path / "copy" / second.relative_to(tmp_path / "made")))
    policy = load_policy(copied, 0, CPU)
    assert furthest(policy, now, trajectories) == 0
    assert policy.base is not None and isinstance(policy.base.model, LocalModel)
    assert policy.base.model.path.startswith(str(tmp_path / "copy"))
    with pytest.raises(ConfigError, match=r"tokenizer\.json: damaged"):
        load_policy(LocalModel(kind="local", path=str(second)), 0, CPU)


def test_a_rank_that_no_layer_has_is_refused() -> None:
    """Adapters of it would take memory without end, and give nothing."""
    model = random_policy("llama").model
    everywhere = LoraSection(rank=33, alpha=1.0)
    narrow = LoraSection(rank=17, alpha=1.0, targets=["k_proj"])
    for section, most in ((everywhere, 32), (narrow, 16), (replace(narrow, targets=["layers.0.self_attn.v_proj"]), 16)):
        with pytest.raises(ConfigError, match=rf"lora.rank={most + 1}: no layer .* above {most}; set it to {most} at"):
            lora_config(model, section)
        assert lora_config(model, replace(section, rank=most)).r == most
