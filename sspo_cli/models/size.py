"""How large a model is, and how much memory training it takes, told from its architecture alone."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

from sspo_cli.config.schema import EngineSection

FLOAT32 = 4


def parameter_count(architecture: PretrainedConfig) -> int:
    """Parameters of the causal LM that `architecture` describes, tied ones once. Allocates nothing."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(architecture)
    return sum(parameter.numel() for parameter in model.parameters())


def memory_estimate(architecture: PretrainedConfig, parameters: int, engine: EngineSection) -> dict[str, int]:
    """Bytes by purpose, without the activations, all in float32: weights, gradients and AdamW's two moments; keys and
    values of the tokens held while sampling; a log-softmax over the vocabulary for one micro-batch."""
    text = architecture.get_text_config()
    kv_heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cache_per_token = 2 * text.num_hidden_layers * kv_heads * head_dim * FLOAT32
    return {
        "weights": FLOAT32 * parameters,
        "gradients": FLOAT32 * parameters,
        "AdamW moments": 2 * FLOAT32 * parameters,
        "key/value cache": engine.tokens_per_generation * cache_per_token,
        "logits": FLOAT32 * engine.tokens_per_microbatch * text.vocab_size,
    }
