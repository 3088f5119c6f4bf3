"""Weights that are not trained can be held in fewer bits; what is trained is float32, and known by its hash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import LocalModel, ScratchModel, TrainConfig
from sspo_cli.engine.checkpoint import Progress, save_checkpoint
from sspo_cli.engine.parts import TrainParts, load_parts
from sspo_cli.models import weights
from sspo_cli.models.base import identify
from sspo_cli.models.load import load_policy
from sspo_cli.models.size import memory_estimate
from sspo_cli.models.source import EMBEDDED
from tests.models.test_lora import SMALL, furthest, learned, score
from tests.steps import updater_of
from tests.tiny_models import config_of

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
WORDS = ["preset=smoke", *SMALL, "lora.rank=4", "optim.lr=1e-2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose layers are as wide as blocks of 4-bit weights, in bfloat16."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    shape = {**SHAPE, "num_key_value_heads": 2, "max_position_embeddings": 256}
    model = AutoModelForCausalLM.from_config(config_of("llama", **shape), dtype=torch.bfloat16)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, 0.2)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(EMBEDDED).save_pretrained(folder)
    return folder


def config(folder: Path, *words: str) -> TrainConfig:
    return load_config(TrainConfig, [*WORDS, "model=local", f"model.path={folder}", *words])


def dtypes(parts: TrainParts, *, trained: bool) -> set[torch.dtype]:
    return {value.dtype for value in parts.policy.model.parameters() if value.requires_grad == trained}


@pytest.mark.parametrize(
    "words, frozen",
    [
        ([], torch.float32),
        (["model.dtype=bfloat16"], torch.bfloat16),
        (["model.dtype=auto"], torch.bfloat16),
    ],
)
def test_adapters_are_float32_on_weights_of_any_type(folder: Path, words: list[str], frozen: torch.dtype) -> None:
    parts = load_parts(config(folder, *words))
    assert dtypes(parts, trained=True) == {torch.float32} and dtypes(parts, trained=False) == {frozen}
    assert parts.policy.precision == frozen, "sampler and trainer are compared with the tolerance of their products"


def test_all_weights_that_are_trained_are_float32_and_the_reference_as_it_is_told(folder: Path) -> None:
    parts = load_parts(config(folder, "lora.rank=0", "objective.kl.coef=0.1", "model.dtype=bfloat16"))
    assert dtypes(parts, trained=True) == {torch.float32} and not dtypes(parts, trained=False)
    assert parts.reference is not None
    assert {value.dtype for value in parts.reference.policy.model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    "words", [["model.dtype=bfloat16"], ["model.quantize=nf4"], ["model.dtype=auto", "model.quantize=nf4"]]
)
def test_a_checkpoint_stands_on_weights_as_they_were_held(folder: Path, tmp_path: Path, words: list[str]) -> None:
    settings = config(folder, *words)
    before = load_parts(settings).policy.model.state_dict()
    parts, trajectories = learned(settings)
    after = parts.policy.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if "lora_" not in name)
    assert any(not torch.equal(before[name], after[name]) for name in before if "lora_" in name)
    now = score(parts.policy, trajectories, settings)
    optimizer = updater_of(parts, settings).optimizer
    saved = save_checkpoint(tmp_path, parts.policy, optimizer, Progress(1), [], keep=1)
    checkpoint = LocalModel(kind="local", path=str(saved))
    assert furthest(load_policy(checkpoint, 0, CPU), now, trajectories) == 0
    assert furthest(load_parts(settings, saved).policy, now, trajectories) == 0
    for held in (replace(checkpoint, dtype="bfloat16"), replace(checkpoint, quantize="nf4")):
        with pytest.raises(ConfigError, match=r"leave out model\.dtype"):
            load_policy(held, 0, CPU)


def test_adapters_are_merged_in_float32_into_weights_that_are_held_in_less(folder: Path, tmp_path: Path) -> None:
    settings = config(folder, "model.dtype=bfloat16")
    parts, _ = learned(settings)
    optimizer = updater_of(parts, settings).optimizer
    saved = save_checkpoint(tmp_path, parts.policy, optimizer, Progress(1), [], keep=1)
    merged = load_policy(LocalModel(kind="local", path=str(saved)), 0, CPU, merged=True).model
    adapted = parts.policy.model.base_model.model.model.layers[0].self_attn.q_proj
    expected = adapted.base_layer.weight.float() + adapted.get_delta_weight("default")
    found = merged.model.layers[0].self_attn.q_proj.weight
    assert found.dtype == torch.float32 and torch.allclose(found, expected, rtol=0, atol=1e-6)


def test_the_hash_of_a_base_sees_how_it_is_held(folder: Path) -> None:
    model = LocalModel(kind="local", path=str(folder))
    ways = [
        model,
        replace(model, dtype="bfloat16"),
        replace(model, quantize="nf4"),
        replace(model, dtype="bfloat16", quantize="nf4"),
    ]
    assert len({identify(way, 0) for way in ways}) == 4
    assert identify(replace(model, attention="eager"), 0) == identify(model, 0)
    # As an earlier version wrote it down.
    scratch = ScratchModel(kind="scratch", hidden_size=16, intermediate_size=24, layers=1, heads=2, positions=64)
    assert identify(scratch, 3) == "543e9508b2d7adce88fa21db3a97b20208246720f55386e7491d0303fedc7d87"


def test_four_bits_are_near_the_weights_and_take_less_memory(folder: Path) -> None:
    model = LocalModel(kind="local", path=str(folder))
    token_1L = torch.arange(3, 40)[None]
    quantized, plain = (load_policy(way, 0, CPU).model for way in (replace(model, quantize="nf4"), model))
    with torch.no_grad():
        one, other = (item(token_1L).logits.flatten() for item in (quantized, plain))
    assert 0.8 < float(torch.nn.functional.cosine_similarity(one, other, dim=0)) < 0.9999
    few, many = (memory_estimate(plain.config, config(folder, *words), CPU) for words in (["model.quantize=nf4"], []))
    assert few["weights"] < 0.7 * many["weights"]


def test_adapters_in_four_bits_are_merged_by_hand_first(folder: Path, tmp_path: Path) -> None:
    parts, _ = learned(config(folder))
    optimizer = updater_of(parts, config(folder)).optimizer
    saved = save_checkpoint(tmp_path, parts.policy, optimizer, Progress(1), [], keep=1)
    with pytest.raises(ConfigError, match=r"model\.quantize=nf4: .* holds adapters, .*sspo export RUN --merge"):
        load_parts(config(saved, "model.quantize=nf4"))
    held = load_parts(config(saved, "model.dtype=bfloat16"))
    assert dtypes(held, trained=False) == {torch.bfloat16}


def test_what_is_not_here_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ConfigError, match=r"model\.attention=flash_attention_2: .* are not here; use model\.attention="
    ):
        load_parts(config(folder, "model.attention=flash_attention_2"))
    with pytest.raises(ConfigError, match=r"model\.quantize=nf4: bitsandbytes does not run here: NotImplementedError"):
        weights.one_function(Unsupported())
    with pytest.raises(ConfigError, match=r"model\.quantize=nf4: weights of 4 bits cannot be trained"):
        config(folder, "model.quantize=nf4", "lora.rank=0")
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="install it with `pip install bitsandbytes`"):
        load_parts(config(folder, "model.quantize=nf4"))


class Unsupported(torch.nn.Module):
    device = CPU

    def forward(self, input_ids: torch.Tensor, use_cache: bool) -> torch.Tensor:
        raise NotImplementedError("no kernel for this device")


def test_attention_is_the_code_that_is_asked_for(folder: Path) -> None:
    for name in ("sdpa", "eager"):
        parts = load_parts(config(folder, f"model.attention={name}"))
        assert parts.policy.model.config._attn_implementation == name


def adapted(parts: TrainParts) -> set[str]:
    return {name.split(".")[-4] for name, _ in parts.policy.model.named_parameters() if "lora_A" in name}


def test_adapters_go_where_they_are_told(folder: Path) -> None:
    assert adapted(load_parts(config(folder))) == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
    }  # fmt: skip
    assert adapted(load_parts(config(folder, "lora.targets=[q_proj,self_attn.v_proj]"))) == {"q_proj", "v_proj"}
    for unknown in ("qproj", "lm_head", "embed_tokens", "proj"):
        with pytest.raises(ConfigError) as told:
            load_parts(config(folder, f"lora.targets=[q_proj,{unknown}]"))
        assert f"no linear layer of the model is called {unknown} (there are: q_proj, k_proj" in told.value.problems[0]
    with pytest.raises(ConfigError, match=r"lora\.targets"):
        config(folder, "lora.targets=[]")


def test_rank_stabilized_adapters_are_scaled_by_the_root_of_the_rank(folder: Path) -> None:
    def scale(*words: str) -> float:
        model = load_parts(config(folder, "lora.alpha=8", *words)).policy.model
        return float(next(layer for layer in model.modules() if hasattr(layer, "lora_A")).scaling["default"])

    assert scale() == 2.0 and scale("lora.rslora=true") == 4.0
