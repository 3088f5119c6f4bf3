"""The figures of docs/guides/scaling.md are those of the estimate that a dry run prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, PretrainedConfig, Qwen2Config

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.models.size import memory_estimate, parameter_count

pytestmark = [pytest.mark.slow, pytest.mark.long]

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "scaling.md"
SHAPES: dict[str, PretrainedConfig] = {
    "Qwen2.5-7B": Qwen2Config(
        hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
        vocab_size=152064, tie_word_embeddings=False,
    ),
    "Qwen2.5-32B": Qwen2Config(
        hidden_size=5120, intermediate_size=27648, num_hidden_layers=64, num_attention_heads=40, num_key_value_heads=8,
        vocab_size=152064, tie_word_embeddings=False,
    ),
    "Llama-3-70B": LlamaConfig(
        hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8,
        vocab_size=128256, tie_word_embeddings=False,
    ),
}  # fmt: skip
ADAPTERS = ["lora.rank=16", "model=hub", "model.path=any/name", "model.dtype=bfloat16"]
COLUMNS = [
    ["engine=ddp", "engine.processes=8"],
    *(["engine=fsdp", f"engine.processes={ranks}"] for ranks in (8, 16, 32, 64)),
    ["engine=fsdp", "engine.processes=8", *ADAPTERS],
]
LEFT_OUT = ("key/value cache", "logits")


@pytest.mark.parametrize("name", SHAPES)
def test_the_memory_of_every_rank_is_that_of_the_estimate(name: str) -> None:
    row = re.search(rf"^\| {name} \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE)
    assert row is not None
    parameters, *figures = row[1].split(" | ")
    assert f"{parameter_count(SHAPES[name]) / 1e9:.1f}e9" == parameters
    for words, figure in zip(COLUMNS, figures, strict=True):
        config = load_config(TrainConfig, ["batch.prompts=512", *words])
        found = memory_estimate(SHAPES[name], config, torch.device("cpu"))
        held = sum(size for part, size in found.items() if part not in LEFT_OUT)
        assert f"{held / 2**30:.1f}" == figure, words
