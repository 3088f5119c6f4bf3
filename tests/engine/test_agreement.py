"""Models whose sampling or micro-batches compute something else than a plain forward pass are refused, at load or when
it shows in a rollout; no other model is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, LlamaModel

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.agreement import check_agreement
from sspo_cli.engine.loop import Loop
from sspo_cli.engine.observer import Observer
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.engine.session import GUARDED, Session
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.world import OneProcess
from sspo_cli.models.head import projection
from sspo_cli.models.policy import Policy
from sspo_cli.runs import jsonl
from tests.tiny_models import ARCHITECTURES, NEOX, SHAPE, UNSERVED, config_of, policy_of, random_policy

pytestmark = pytest.mark.slow


LONGEST = 40  # tokens of a prompt with its response
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [1.0, 4.0, 8.0, 16.0],
    "original_max_position_embeddings": 16,
}
PHI3 = config_of("phi3", **NEOX, num_key_value_heads=2, rope_parameters=LONG_ROPE, original_max_position_embeddings=16)
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}
GEMMA2 = {**SHAPE, "final_logit_softcapping": 30.0}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_agrees(architecture: str) -> None:
    check_agreement(random_policy(architecture, spread=0.15), LONGEST, trained=True)


@pytest.mark.parametrize("architecture", UNSERVED)
def test_a_model_that_cannot_be_sampled_is_refused_and_the_way_out_is_one(architecture: str) -> None:
    """`generate` of transformers decodes all of them but RWKV, whose state it does not carry on."""
    policy = policy_of(UNSERVED[architecture], spread=0.15)
    with pytest.raises(ConfigError) as refused:
        check_agreement(policy, LONGEST, trained=True)
    (line,) = refused.value.problems
    assert line.startswith(f"model: of type {architecture}: sampling ") and "\n" not in line
    if architecture == "rwkv":
        assert line.endswith("; use a model of another type")
        with pytest.raises(ConfigError, match=r"of type rwkv: sampling .*; use a model of another type"):
            check_agreement(policy, LONGEST, "generate", trained=True)
    else:
        assert line.endswith("; set rollout=generate, which is slower")
        check_agreement(policy, LONGEST, "generate", trained=True)


def test_frequencies_that_change_at_a_length_are_refused_beyond_it_alone() -> None:
    policy = policy_of(PHI3, spread=0.15)
    check_agreement(policy, 16, trained=True)
    with pytest.raises(ConfigError) as refused:
        check_agreement(policy, 17, trained=True)
    (line,) = refused.value.problems
    words = line.split()
    assert line.startswith("model: of type phi3: sampling differed from a plain forward pass by ")
    assert float(words[words.index("nats") - 1]) > 0.1
    assert line.endswith("more than 0.001 in float32; keep each prompt with its response within 16 tokens")
    with pytest.raises(ConfigError, match=r"sampling differed .* within 16 tokens"):
        check_agreement(policy, 17, "generate", trained=True)


@pytest.mark.parametrize("seed", [4, 6])
def test_responses_of_the_probe_always_pass_the_switch(seed: int) -> None:
    """If they could end before it, they would on these weights."""
    with pytest.raises(ConfigError, match=r"sampling differed .* within 16 tokens"):
        check_agreement(policy_of(PHI3, seed, spread=0.15), 17, trained=False)


def ntk(**options: Any) -> Policy:
    return policy_of(config_of(**{**SHAPE, "max_position_embeddings": 16, **options}), spread=0.15)


def test_frequencies_that_grow_with_the_length_are_refused() -> None:
    each = {"full_attention": DYNAMIC, "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}
    layers = {"layer_types": list(each), "sliding_window": 64, "query_pre_attn_scalar": 8}
    for policy in (
        ntk(model_type="llama", rope_parameters=DYNAMIC),
        ntk(model_type="gemma3_text", rope_parameters=each, **layers),
    ):
        check_agreement(policy, 16, trained=True)
        with pytest.raises(ConfigError, match=r"sampling differed .* within 16 tokens"):
            check_agreement(policy, 17, trained=True)


class Switching(LlamaModel):  # type: ignore[misc]
    """Positions are twice as far apart as soon as there are more than 20."""

    def forward(self, input_ids: Any = None, position_ids: Any = None, **options: Any) -> Any:
        if position_ids is None:
            position_ids = torch.arange(input_ids.shape[1])[None]
        stretch = 2 if position_ids.max() >= 20 else 1
        return super().forward(input_ids, position_ids=stretch * position_ids, **options)


def test_a_switch_that_the_configuration_does_not_name_is_found_by_the_longest_sequence() -> None:
    policy = random_policy(spread=0.15)
    policy.model.model.__class__ = Switching
    check_agreement(policy, 20, trained=True)
    with pytest.raises(ConfigError, match=r"differed .* within 15 tokens"):
        check_agreement(policy, LONGEST, trained=True)


class ByTheLongestRow(LlamaModel):  # type: ignore[misc]
    """Without a cache, the positions of a row are stretched to the length of the longest row beside it."""

    def forward(self, input_ids: Any = None, past_key_values: Any = None, **options: Any) -> Any:
        if past_key_values is None:
            length_B1 = (input_ids != 0).sum(1, keepdim=True)
            place_L = torch.arange(input_ids.shape[1], device=input_ids.device)
            options["position_ids"] = place_L * length_B1.max() / length_B1
        return super().forward(input_ids, past_key_values=past_key_values, **options)


def test_a_model_that_is_wrong_in_micro_batches_alone_is_refused_for_training() -> None:
    policy = random_policy(spread=0.15)
    policy.model.model.__class__ = ByTheLongestRow
    check_agreement(policy, LONGEST, trained=False)
    with pytest.raises(
        ConfigError,
        match=r"type llama: micro-batches differed from a plain forward pass by [\d.]+ nats of log-probability",
    ):
        check_agreement(policy, LONGEST, trained=True)


def test_a_cap_that_small_logits_do_not_show_is_found() -> None:
    """Weights so small that no logit reaches 0.1; training then enlarges them."""
    policy = policy_of(config_of("gemma2", **GEMMA2), spread=0.004)
    logits = policy.model(torch.arange(2, 30)[None]).logits
    assert logits.abs().max() < 0.1
    assert projection(policy.model) is None
    with torch.no_grad():
        policy.model.lm_head.weight.normal_(0, 2)
    check_agreement(policy, LONGEST, trained=True)


class Drifting(LlamaForCausalLM):  # type: ignore[misc]
    """With a cache, the logits after the tokens `after` are `times` as large."""

    times = 1.0
    after = range(258)

    def forward(self, input_ids: Any = None, past_key_values: Any = None, **options: Any) -> Any:
        output = super().forward(input_ids, past_key_values=past_key_values, **options)
        if past_key_values is not None:
            output.logits[torch.isin(input_ids[:, -1], torch.tensor(self.after, device=input_ids.device))] *= self.times
        return output


class Told(Observer):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def settings(*words: str) -> TrainConfig:
    fixed = ["preset=smoke", "batch.prompts=4", "train.steps=3", "engine.precision=float32"]
    return load_config(TrainConfig, [*fixed, *words])


def drifting(config: TrainConfig, times: float, after: str = "") -> TrainParts:
    """A run's parts whose sampler goes wrong once the model is loaded and checked."""
    parts: TrainParts = load_parts(config)
    tokens = parts.policy.tokenizer(after)["input_ids"] if after else range(258)
    parts.policy.model.__class__ = type("Drifting", (Drifting,), {"times": times, "after": tokens})
    return parts


def loop(config: TrainConfig, parts: TrainParts, folder: Path) -> tuple[Loop, Told]:
    told = Told()
    (folder / "checkpoints").mkdir()
    return Loop(config, parts, folder, told, OneProcess(), StopRequest(None, at_once=False)), told


@pytest.mark.parametrize("staleness", [0, 1])
def test_a_rollout_that_the_trainer_does_not_confirm_stops_the_run(staleness: int, tmp_path: Path) -> None:
    config = settings(f"rollout.staleness={staleness}")
    session = Session(config, folder=tmp_path)
    session.loaded = drifting(config, 1.5)
    with session:
        assert session.train().code == GUARDED
    status = (tmp_path / "STATUS").read_text()
    assert status.startswith("failed: step 1: sampler and trainer differ by ") and status.count("\n") == 1
    assert "on average" in status and "more than 0.001; likely cause: the model computes something else" in status
    assert [row["step"] for row in jsonl.read(tmp_path / "metrics.jsonl")] == [0]


def test_a_few_tokens_that_differ_are_told_once(tmp_path: Path) -> None:
    config = settings()
    ours, told = loop(config, drifting(config, 1.01, after="7"), tmp_path)
    assert ours.run()
    (line,) = [line for line in told.lines if "sampler and trainer" in line]
    assert line.startswith("step 1: sampler and trainer differ by ") and "at most, more than 0.001" in line
    for row in jsonl.read(tmp_path / "metrics.jsonl")[1:]:
        assert row["rollout/logp_gap_mean"] < 1e-3


def test_old_rollouts_are_compared_with_the_weights_that_drew_them(tmp_path: Path) -> None:
    """Ratios of a stale rollout are far from 1; its gap is rounding alone."""
    config = settings("rollout.staleness=2", "optim.lr=1e-2", "train.steps=4")
    ours, told = loop(config, load_parts(config), tmp_path)
    assert ours.run()
    rows = jsonl.read(tmp_path / "metrics.jsonl")[1:]
    assert len(rows) == 4 and max(row["rollout/logp_gap_max"] for row in rows) < 1e-4
    assert not [line for line in told.lines if "sampler and trainer" in line]
