"""How large a model is, and how much memory training it takes, told from its architecture alone."""

from __future__ import annotations

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

from sspo_cli.config.schema import EngineSection, LoraSection, TrainConfig
from sspo_cli.models.head import positions_at_once
from sspo_cli.models.weights import bytes_held

FLOAT32 = 4
TOKENS_ON_A_CPU = 65536
SHARE_OF_A_GPU = 0.25


def parameter_count(architecture: PretrainedConfig) -> int:
    """Parameters of the causal LM that `architecture` describes, tied ones once. Allocates nothing."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(architecture)
    return sum(parameter.numel() for parameter in model.parameters())


def trained_count(architecture: PretrainedConfig, lora: LoraSection) -> int:
    """Parameters that learn: those of the adapters if there are any. Allocates nothing."""
    if not lora.rank:
        return parameter_count(architecture)
    from sspo_cli.models.lora import adapter_count

    with torch.device("meta"):
        return adapter_count(AutoModelForCausalLM.from_config(architecture), lora)


def checkpoint_bytes(architecture: PretrainedConfig, lora: LoraSection) -> int:
    """Of a checkpoint on disk: what is trained, and AdamW's two moments of it, in float32."""
    return 3 * FLOAT32 * trained_count(architecture, lora)


def memory_estimate(architecture: PretrainedConfig, config: TrainConfig, device: torch.device) -> dict[str, int]:
    """Bytes by purpose on `device`, without the activations, in float32 but for weights that are not trained: weights,
    gradients and AdamW's two moments; a second model as reference policy; the weights that the process of vLLM holds;
    keys and values of the tokens held while sampling; logits, and their exponentials, of the positions that the output
    layer takes at once.

    With engine=fsdp, of one of engine.processes ranks: its share of weights, reference, gradients and moments, and all
    weights while it samples.
    """
    parameters, trained = parameter_count(architecture), trained_count(architecture, config.lora)
    second_model = config.objective.reads_reference and not config.lora.rank
    frozen = bytes_held(config.model, architecture, parameters)
    text = architecture.get_text_config()
    tokens = generation_tokens(config.engine, architecture, device, FLOAT32)
    weights = FLOAT32 * trained + (frozen if config.lora.rank else 0)
    held = {
        "weights": weights,
        **({"reference policy": frozen} if second_model else {}),
        "gradients": FLOAT32 * trained,
        "AdamW moments": 2 * FLOAT32 * trained,
    }
    if config.engine.kind == "fsdp":
        held = {name: -(-size // config.engine.processes) for name, size in held.items()}
        held["weights gathered to sample"] = weights
    if config.rollout.kind == "vllm":
        held["weights in vLLM"] = FLOAT32 * parameters
    return {
        **held,
        "key/value cache": tokens * cache_per_token(architecture, FLOAT32),
        "logits": 2 * FLOAT32 * positions_at_once(text.vocab_size, device) * text.vocab_size,
    }


def generation_tokens(
    engine: EngineSection, architecture: PretrainedConfig, device: torch.device, itemsize: int
) -> int:
    """Tokens whose keys and values, of `itemsize` bytes each number, are held while sampling."""
    if engine.tokens_per_generation:
        return engine.tokens_per_generation
    if device.type == "cpu":
        return TOKENS_ON_A_CPU
    memory = torch.cuda.get_device_properties(device).total_memory
    return max(1, int(SHARE_OF_A_GPU * memory) // cache_per_token(architecture, itemsize))


def cache_per_token(architecture: PretrainedConfig, itemsize: int) -> int:
    """Bytes of the keys and values of one token in all layers."""
    text = architecture.get_text_config()
    heads = (
        getattr(text, "num_attention_heads", None) or 1
    )  # models without attention have none: a bound stands for them
    kv_heads = getattr(text, "num_key_value_heads", None) or heads
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    return int(2 * text.num_hidden_layers * kv_heads * head_dim * itemsize)
