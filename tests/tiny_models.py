"""Real transformers models with random weights, small enough for a test."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from sspo_cli.models.policy import Policy
from sspo_cli.models.source import EMBEDDED

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
GPT2 = {"vocab_size": 258, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
NEOX = {key: SHAPE[key] for key in SHAPE if key not in ("num_key_value_heads", "head_dim")}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
MIXED = ["linear_attention", "full_attention"]
BOTH = ["sliding_attention", "full_attention"]
SMALL_OPT = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 48, "num_hidden_layers": 2}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 12}
SHARED = {"n_routed_experts": 4, "n_shared_experts": 1, "moe_intermediate_size": 16, "num_experts_per_tok": 2}
PLAIN = {"hidden_size": 32, "num_hidden_layers": 2}
STATE = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_chunk_size": 8}
DELTA = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
GROUPS = {"n_group": 2, "topk_group": 1, "first_k_dense_replace": 1}


def config_of(model_type: str, **options: Any) -> Any:
    """The configuration of a small model whose responses end with the embedded tokenizer's token."""
    return AutoConfig.for_model(
        model_type, **{"vocab_size": 258, "bos_token_id": None, "eos_token_id": 1, "pad_token_id": 0, **options}
    )


# One model for each way to compute something that a sampler with a cache, or a micro-batch, can get wrong.
ARCHITECTURES = {
    "llama": config_of("llama", **SHAPE),
    "qwen2": config_of("qwen2", **NEOX, num_key_value_heads=2),
    "qwen3": config_of("qwen3", **SHAPE),
    "gpt2": config_of("gpt2", **GPT2),
    "gemma3": config_of("gemma3_text", **SHAPE, sliding_window=8, layer_types=BOTH),
    # A cap on the logits.
    "gemma2": config_of("gemma2", **SHAPE, sliding_window=8, layer_types=BOTH, final_logit_softcapping=5.0),
    # Scaled logits.
    "granite": config_of("granite", **SHAPE, logits_scaling=4.0, residual_multiplier=0.5),
    "cohere": config_of("cohere", **NEOX, num_key_value_heads=2, use_qk_norm=True),
    # A window in all layers, chunks, sinks.
    "mistral": config_of("mistral", **SHAPE, sliding_window=8),
    "llama4": config_of(
        "llama4_text", **SHAPE, **EXPERTS, attention_chunk_size=8, intermediate_size_mlp=48, no_rope_layers=[1, 0]
    ),
    "gpt_oss": config_of("gpt_oss", **SHAPE, **EXPERTS, sliding_window=8, layer_types=BOTH),
    # Positions: rotary in part, linear biases, learned with an offset.
    "gpt_neox": config_of("gpt_neox", **NEOX, rotary_pct=0.5),
    "phi": config_of("phi", **NEOX, partial_rotary_factor=0.5),
    "bloom": config_of("bloom", hidden_size=32, n_layer=2, n_head=4),
    "mpt": config_of("mpt", d_model=32, n_layers=2, n_heads=4, max_seq_len=128, expansion_ratio=2),
    "opt": config_of("opt", **SMALL_OPT, num_attention_heads=4, max_position_embeddings=128),
    # Experts, latent keys, one key for all heads, norms of queries and keys.
    "mixtral": config_of("mixtral", **SHAPE, **EXPERTS),
    "deepseek_v3": config_of("deepseek_v3", **NEOX, **LATENT, **SHARED, num_key_value_heads=4, **GROUPS),
    "falcon": config_of("falcon", hidden_size=32, num_hidden_layers=2, num_attention_heads=4, multi_query=True),
    "olmo2": config_of("olmo2", **NEOX, num_key_value_heads=2),
    # Layers that keep a state instead of keys: convolutions, a state space, linear attention.
    "lfm2": config_of("lfm2", **NEOX, num_key_value_heads=2, layer_types=["conv", "full_attention"]),
    "bamba": config_of("bamba", **NEOX, num_key_value_heads=2, attn_layer_indices=[1], **STATE),
    "qwen3_next": config_of(
        "qwen3_next",
        **SHAPE,
        **DELTA,
        num_experts=4,
        num_experts_per_tok=2,
        layer_types=MIXED,
        moe_intermediate_size=16,
    ),
}

# Their logits are more than a projection of the hidden states, or the model does not tell its parts apart.
WHOLE_LOGITS = {"gemma2", "granite", "cohere", "llama4"}

# States that no row of the sampler's cache holds: of models without attention, and of layers that have both.
UNSERVED = {
    "mamba": config_of("mamba", **PLAIN, state_size=8),
    "mamba2": config_of("mamba2", **PLAIN, num_heads=8, head_dim=8, state_size=8, n_groups=1, chunk_size=8),
    "rwkv": config_of("rwkv", **PLAIN, attention_hidden_size=32, intermediate_size=48, context_length=128),
    "falcon_h1": config_of("falcon_h1", **SHAPE, **STATE, mamba_d_ssm=64),
    "recurrent_gemma": config_of(
        "recurrent_gemma", **NEOX, num_key_value_heads=2, lru_width=32, block_types=["recurrent", "attention"]
    ),
}


def random_policy(architecture: str = "llama", seed: int = 0, spread: float = 0.4) -> Policy:
    """A policy of ARCHITECTURES."""
    return policy_of(ARCHITECTURES[architecture], seed, spread)


def policy_of(config: Any, seed: int = 0, spread: float = 0.4) -> Policy:
    """A policy whose weights are wide enough that its choices differ from token to token."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, spread)
    return Policy(model.eval(), AutoTokenizer.from_pretrained(EMBEDDED))
