"""How the weights of a model are held, and which code attends: model.dtype, model.quantize, model.attention.

What is trained is held in float32 whatever these say: in bfloat16 the small steps of policy optimization round to
nothing.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import torch
from transformers import PretrainedConfig
from transformers.utils import is_flash_attn_2_available

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import ModelConfig
from sspo_cli.guards import is_out_of_memory

BITS_OF_NF4 = 4.5  # of a weight, with its share of the scale of its block


def in_float32(config: ModelConfig) -> ModelConfig:
    """`config` with its weights as they are trained."""
    return replace(config, dtype="float32", quantize="none")


def held_dtype(config: ModelConfig, architecture: PretrainedConfig) -> torch.dtype:
    """The type of numbers that weights are held in, where they are not quantized. architecture: of their files."""
    in_files = architecture.dtype if config.dtype == "auto" else getattr(torch, config.dtype)
    return torch.bfloat16 if in_files in (torch.bfloat16, "bfloat16") else torch.float32


def attention(config: ModelConfig) -> dict[str, str]:
    """What transformers is told of model.attention.

    Raises:
        ConfigError: if it is not installed here.
    """
    if config.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise ConfigError(
            [
                "model.attention=flash_attention_2: the package flash-attn, and a GPU that it supports, are not here;"
                " use model.attention=sdpa, or auto"
            ]
        )
    return {} if config.attention == "auto" else {"attn_implementation": config.attention}


def in_4_bits(compute: torch.dtype, device: torch.device) -> dict[str, Any]:
    """What transformers is told of model.quantize=nf4 (arXiv 2305.14314). compute: of matrix products.

    Raises:
        ConfigError: if bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ConfigError(
            [
                "model.quantize=nf4: weights of 4 bits come from the package bitsandbytes: install it with"
                " `pip install bitsandbytes`, or use model.quantize=none with model.dtype=bfloat16"
            ]
        )
    from transformers import BitsAndBytesConfig

    how = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute)
    return {"quantization_config": how, "device_map": {"": device}}


def one_function(model: Any) -> Any:
    """`model`, in 4 bits, tried once, so that it computes the same with gradients and without.

    Raises:
        ConfigError: if bitsandbytes does not run on this machine, or not on this model.
    """
    for module in model.modules():
        # On some CPUs it computes in another way, and in bfloat16, where no gradient is asked for.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    try:
        with torch.no_grad():
            model(input_ids=torch.ones(1, 2, dtype=torch.long, device=model.device), use_cache=False)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ConfigError(
            [
                f"model.quantize=nf4: bitsandbytes does not run here: {type(error).__name__}:"
                f" {' '.join(str(error).split())}; use model.quantize=none with model.dtype=bfloat16"
            ]
        ) from error
    return model


def bytes_held(config: ModelConfig, architecture: PretrainedConfig, parameters: int) -> int:
    """Bytes of `parameters` weights that are not trained."""
    itemsize = held_dtype(config, architecture).itemsize
    if config.quantize == "none":
        return itemsize * parameters
    text = architecture.get_text_config()
    embedded = min(parameters, text.vocab_size * text.hidden_size * (1 if text.tie_word_embeddings else 2))
    return int(itemsize * embedded + BITS_OF_NF4 / 8 * (parameters - embedded))
