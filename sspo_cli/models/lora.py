"""Low-rank adapters: the base weights stay as they are, and are the reference policy at no cost."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel, get_peft_model

from sspo_cli.config.schema import LoraSection
from sspo_cli.models.policy import Policy

# peft asks transformers for a name that is on its way out; nobody here can do anything about it.
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)


def with_adapters(policy: Policy, config: LoraSection, seed: int, checkpoint: Path | None = None) -> Policy:
    """`policy` with adapters on every linear layer but the output (arXiv 2106.09685), which alone will be trained.

    They are new, drawn from `seed` and without effect yet, or those of `checkpoint`.
    """
    if checkpoint is not None:
        model = PeftModel.from_pretrained(policy.model, checkpoint, is_trainable=True)
    else:
        torch.manual_seed(seed)
        model = get_peft_model(policy.model, lora_config(config))
    return replace(policy, model=model.eval(), adapted=True)


class Merged:
    """Loads a folder of adapters as its base model with the adapters merged into the weights."""

    @staticmethod
    def from_pretrained(path: str, **options: Any) -> Any:
        return AutoPeftModelForCausalLM.from_pretrained(path, **options).merge_and_unload()


def lora_config(config: LoraSection) -> LoraConfig:
    return LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM")


def adapter_count(model: Any, config: LoraSection) -> int:
    """Trainable parameters of `model`, which may stand on the meta device, with adapters. Changes `model`."""
    adapted = get_peft_model(model, lora_config(config))
    return sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
