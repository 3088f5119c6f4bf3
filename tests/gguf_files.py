"""Small GGUF files of Llama, written as llama.cpp writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from tests.tiny_models import SHAPE, config_of

TEMPLATE = "{% for message in messages %}<|in|>{{ message['content'] }}<|end|>{% endfor %}"
MERGES = ["1 2", "a b"]
TOKENS = [*bytes_to_unicode().values(), "12", "ab", "Ċ" + "Ċ", "<|end|>", "<|in|>", "<|pad|>"]
END, BEGIN, PAD = (TOKENS.index(name) for name in ("<|end|>", "<|in|>", "<|pad|>"))
NORMAL, CONTROL = 1, 3
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def tiny_llama(seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    shape = {**SHAPE, "vocab_size": len(TOKENS), "eos_token_id": END, "pad_token_id": PAD, **options}
    return AutoModelForCausalLM.from_config(config_of("llama", **shape), dtype=torch.float32).eval()


def write_gguf(
    file: Path,
    model: Any,
    *,
    architecture: str = "llama",
    pre: str = "smollm",
    rope_factors: list[float] | None = None,
    left_out: str = "",
) -> Path:
    """`model`, a Llama, with a byte-level tokenizer. left_out: the tensor that the file lacks."""
    config = model.config
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([CONTROL if token.startswith("<|") else NORMAL for token in TOKENS])
    writer.add_token_merges([*MERGES, "Ċ Ċ"])
    writer.add_bos_token_id(BEGIN)
    writer.add_eos_token_id(END)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    tensors = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    for name, value in tensors.items():
        written = gguf_name(name)
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
        permuted = next((permute(value, count) for part, count in heads.items() if f".{part}." in written), value)
        if written != left_out:
            writer.add_tensor(written, np.ascontiguousarray(permuted))
    if rope_factors:
        writer.add_tensor("rope_freqs.weight", np.array(rope_factors, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def gguf_name(name: str) -> str:
    whole = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"


def permute(weight: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """The order of rotary pairs in llama.cpp."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
