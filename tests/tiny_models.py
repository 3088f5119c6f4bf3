"""Real transformers models with random weights, small enough for a test."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from sspo_cli.models.load import EMBEDDED
from sspo_cli.models.policy import Policy

SHAPE: dict[str, Any] = {
    "vocab_size": 258,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "bos_token_id": None,
    "eos_token_id": 1,
    "pad_token_id": 0,
}
GPT2: dict[str, Any] = {"vocab_size": 258, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}

ARCHITECTURES = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**{key: value for key, value in SHAPE.items() if key != "head_dim"}),
    "qwen3": Qwen3Config(**SHAPE),
    "gpt2": GPT2Config(**GPT2, bos_token_id=None, eos_token_id=1, pad_token_id=0),
    "gemma3": Gemma3TextConfig(**SHAPE, sliding_window=8, layer_types=["sliding_attention", "full_attention"]),
}


def random_policy(architecture: str = "llama", seed: int = 0, spread: float = 0.4) -> Policy:
    """A policy whose weights are wide enough that its choices differ from token to token."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(ARCHITECTURES[architecture], dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, spread)
    return Policy(model.eval(), AutoTokenizer.from_pretrained(EMBEDDED))
