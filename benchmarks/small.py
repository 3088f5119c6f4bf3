"""Small random models of every causal family of transformers, made from the names in its configuration alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from sspo_cli.engine.agreement import ropes
from sspo_cli.models.policy import Policy
from sspo_cli.models.source import EMBEDDED

SPREAD = 0.2  # standard deviation of the weights: choices differ from token to token
SWITCH = 16  # tokens at which rotary frequencies of the variants change
WINDOW = 8
ROPES = ("dynamic", "longrope")
VARIANTS = ("as shipped", "window", *ROPES)
WINDOWS = ("sliding_window", "attention_chunk_size", "window_size", "sliding_window_size", "attention_window_size")
WINDOWED = {"use_sliding_window": True, "max_window_layers": 0}

# By name of the field, whatever the family.
SIZES: dict[int, str] = {
    258: "vocab_size vocab_size_per_layer_input",
    32: "hidden_size n_embd d_model dim_model emb_dim embedding_size embed_dim word_embed_proj_dim"
    " attention_hidden_size lru_width conv_dim output_embedding_size input_embedding_size"
    " hidden_size_per_layer_input",
    48: "intermediate_size n_inner ffn_dim d_ff dff dim_ff ffn_hidden_size encoder_ffn_dim decoder_ffn_dim"
    " intermediate_size_mlp dense_intermediate_size",
    16: "moe_intermediate_size shared_expert_intermediate_size shared_intermediate_size"
    " expert_ffn_hidden_size kv_lora_rank q_lora_rank mamba_chunk_size chunk_size",
    8: "head_dim qk_rope_head_dim qk_nope_head_dim v_head_dim attention_head_dim dim_head rotary_dim"
    " kv_channels linear_key_head_dim linear_value_head_dim linear_head_dim mamba_d_head mamba_head_dim"
    " mamba_d_state state_size ssm_state_size index_head_dim global_head_dim swa_head_dim swa_v_head_dim"
    " mamba_n_heads mamba_num_heads n_mamba_heads",
    4: "num_attention_heads n_head n_heads num_heads encoder_attention_heads decoder_attention_heads"
    " num_experts num_local_experts n_routed_experts moe_num_experts swa_num_attention_heads"
    " linear_num_value_heads linear_num_heads index_n_heads index_topk mamba_dt_rank time_step_rank",
    2: "num_hidden_layers n_layer n_layers num_layers encoder_layers decoder_layers num_key_value_heads"
    " num_kv_heads num_experts_per_tok moe_topk num_experts_per_token moe_k swa_num_key_value_heads"
    " linear_num_key_heads",
    1: "n_group topk_group first_k_dense_replace num_dense_layers moe_layer_start_index n_groups"
    " mamba_n_groups eos_token_id n_shared_experts",
    0: "pad_token_id bos_token_id num_kv_shared_layers num_nextn_predict_layers",
    256: "max_position_embeddings n_positions n_ctx max_seq_len context_length",
}
FIELDS = {name: value for value, names in SIZES.items() for name in names.split()}
# None stands for something else than a size that is derived.
DERIVED = (
    "head_dim", "num_key_value_heads", "num_kv_heads", "pad_token_id", "bos_token_id", "eos_token_id",
    "num_experts_per_tok", "n_routed_experts", "n_shared_experts", "n_group", "topk_group",
)  # fmt: skip
FLAGS = {"is_decoder": True, "is_encoder_decoder": False, "use_cache": True}
# What the names do not settle: one layer of each kind, and sizes that must fit each other.
CONV = {"layer_types": ["conv", "full_attention"]}
PERIOD = {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1}
EACH = {"rope_type": "default", "rope_theta": 10000.0}
SPECIAL: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "cohere_compass_text": {"rope_parameters": {"full_attention": EACH, "sliding_attention": EACH}},
    "dbrx": {"attn_config": {"rope_theta": 1e4, "kv_n_heads": 2, "clip_qkv": 8}, "rope_parameters": EACH},
    "falcon_h1": {"mamba_d_ssm": 64},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "jamba": PERIOD,
    "lfm2": CONV,
    "lfm2_moe": CONV,
    "mamba2": {"num_heads": 8},
    "qwen4_exp_text": {"indexer_n_heads": 2, "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 8}
    | {"indexer_compress_ratio": 2, "hc_lowrank": 8, "ngram_vocab_size_base": 100, "split_ngram_parts": 2},
    "recurrent_gemma": {"block_types": ["recurrent", "attention"]},
    "reformer": {"axial_pos_embds_dim": (16, 16), "axial_pos_shape": (16, 16), "attn_layers": ["local", "lsh"]},
    "zamba": {"layer_types": ["mamba", "hybrid"]},
    "zamba2": {"layer_types": ["mamba", "hybrid"], "num_mem_blocks": 1},
    "zaya": {"num_experts_per_tok": 1},
}


def fields(kind: Any) -> dict[str, Any]:
    """Names of a configuration class with their defaults."""
    return {field.name: field.default for field in dataclasses.fields(kind)}


def small(family: str, variant: str, rotary: int) -> Any:
    """A configuration of two layers, 32 wide; more layers if there are more kinds of them. None if it has no such
    variant. rotary: frequencies of the family's rotary embeddings."""
    kind = CONFIG_MAPPING[family]
    base = kind()
    text = base.get_text_config()
    inside = [name for name in getattr(kind, "sub_configs", {}) if getattr(base, name, None) is text]
    known = fields(type(text))
    options: dict[str, Any] = {n: v for n, v in FIELDS.items() if n in known and (known[n] is not None or n in DERIVED)}
    options |= {"num_key_value_heads": 4} if "kv_lora_rank" in known else {}
    if "layer_types" in known and (kinds := list(dict.fromkeys(text.layer_types or []))):
        options |= {"layer_types": kinds * 2 if len(kinds) == 1 else kinds}
        options |= {"num_hidden_layers": len(options["layer_types"])}
    options |= {name: value for name, value in FLAGS.items() if name in known}
    options |= SPECIAL.get(text.model_type, {}) | SPECIAL.get(family, {})
    if variant == "window":
        windows = {name: WINDOW for name in WINDOWS if name in known}
        if not windows:
            return None
        options |= windows | {name: value for name, value in WINDOWED.items() if name in known}
    own = type(text)(**options)
    if variant in ROPES:
        if not (rotary and getattr(own, "rope_parameters", None)):
            return None
        turn(own, variant, rotary)
    return kind(**{inside[0]: own}) if inside else own


def turn(config: Any, rope_type: str, rotary: int) -> None:
    """Let rotary frequencies change at SWITCH tokens."""
    kinds: dict[str, dict[str, object]] = {
        "dynamic": {"factor": 4.0},
        "longrope": {
            "short_factor": [1.0] * rotary,
            "long_factor": torch.linspace(2, 16, rotary).tolist(),
            "original_max_position_embeddings": SWITCH,
        },
    }
    for rope in ropes(config.rope_parameters):
        assert isinstance(rope, dict)
        rope |= {"rope_type": rope_type, **kinds[rope_type]}
    for name in ("original_max_position_embeddings", "max_position_embeddings"):
        if hasattr(config, name):
            setattr(config, name, SWITCH)


@torch.no_grad()
def build(config: Any) -> Policy:
    """A policy that computes something finite without a cache."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.ndim >= 2:
            parameter.normal_(0, SPREAD)
    logits_1LV = model.eval()(input_ids=torch.arange(2, 32)[None], use_cache=False).logits
    if not logits_1LV.isfinite().all():
        raise ValueError("the random weights give logits that are not finite")
    return Policy(model, AutoTokenizer.from_pretrained(EMBEDDED))
