"""All weights of a policy as a plain folder for another program, while the policy goes on learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sspo_cli.models.policy import Policy

BASE_LAYER = ".base_layer"  # in the names of weights that peft put adapters on


def save_whole(policy: Policy, folder: Path, dtype: torch.dtype) -> None:
    """Write the model into `folder` as transformers does, with adapters as part of the weights, in `dtype`; on every
    rank that calls it."""
    model: Any = policy.model.get_base_model() if policy.adapted else policy.model
    weights = merged(model) if policy.adapted else weights_of(model)
    cast = {name: weight.to(dtype) if weight.is_floating_point() else weight for name, weight in weights.items()}
    model.should_save_on_this_rank = lambda is_main_process: True  # transformers leaves it to rank 0
    try:
        model.save_pretrained(folder, state_dict=cast)
    finally:
        del model.should_save_on_this_rank


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights of `model` by their names. `state_dict` would give back what FSDP has gathered."""
    return {name: weight.detach() for name, weight in model.named_parameters(remove_duplicate=False)}


@torch.no_grad()
def merged(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights of `model`, each with what the adapters inside it add, by the names that they have without adapters.

    The weights themselves stay as they are: to add and to take away again would change their last digits.
    """
    from peft.tuners.lora import LoraLayer  # peft takes seconds to import

    own, added = {}, {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            (adapter,) = module.active_adapters
            added[f"{name}.weight"] = module.get_delta_weight(adapter)
    for name, weight in weights_of(model).items():
        if ".lora_" not in name:
            own[name.replace(BASE_LAYER, "")] = weight
    return own | {name: own[name] + delta for name, delta in added.items()}
