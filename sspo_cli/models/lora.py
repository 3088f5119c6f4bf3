"""Low-rank adapters: the base weights stay as they are, and are the reference policy at no cost."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from torch.nn import Linear
from transformers.pytorch_utils import Conv1D

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LoraSection
from sspo_cli.config.wording import show_value
from sspo_cli.models.base import Base, to_json
from sspo_cli.models.policy import Policy
from sspo_cli.models.source import BASE, folder_of, has_adapters, show

# peft asks transformers for a name that is on its way out; nobody here can do anything about it.
warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)


def with_adapters(policy: Policy, config: LoraSection, seed: int, base: Base) -> Policy:
    """`policy`, which was read from `base`, with new adapters on linear layers (arXiv 2106.09685), drawn from `seed`
    and without effect yet, which alone will be trained.

    Raises:
        ConfigError: for lora.targets that name none.
    """
    torch.manual_seed(seed)
    return replace(policy, model=get_peft_model(policy.model, lora_config(policy.model, config)).eval(), base=base)


def put_on(model: Any, folder: Path) -> Any:
    """`model` with the adapters that are saved in `folder`.

    Raises:
        ConfigError: if they do not fit.
    """
    try:
        return PeftModel.from_pretrained(model, str(folder), is_trainable=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError([f"{folder}: the adapters do not fit: {str(error).splitlines()[0].strip()}"]) from error


def save_adapters(model: Any, base: Base, folder: Path, weights: dict[str, Tensor] | None = None) -> None:
    """Write the adapters, and what they stand on: for us with its hash, for other programs as well as they know it.
    weights: of the adapters, if the model does not hold them whole."""
    options = model.peft_config["default"]
    options.base_model_name_or_path, options.revision = name_for_others(base)
    # Adapters leave the embeddings alone. Asked for "auto", peft would look for the base to find that out.
    model.save_pretrained(folder, save_embedding_layers=False, state_dict=weights)
    (folder / BASE).write_text(json.dumps(to_json(base, folder), indent=1) + "\n", encoding="utf-8")


def name_for_others(base: Base) -> tuple[str, str | None]:
    """The base, and its revision, as adapter_config.json names it to other programs than this.

    One with adapters of its own gets a name that they cannot load: none of them would take these into account.
    """
    model = base.model
    if has_adapters(model):
        return f"({show(model)} with its adapters merged, as {BASE} says)", None
    return str(model.path if isinstance(model, HubModel) else folder_of(model)), getattr(model, "revision", None)


def lora_config(model: Any, config: LoraSection) -> LoraConfig:
    """What peft is told.

    Raises:
        ConfigError: for targets that name no linear layer of `model`, with the names that there are; for a rank that
            none of them has.
    """
    targets, layers = config.targets, linear_layers(model)
    wanted = [] if isinstance(targets, str) else targets
    if unknown := [name for name in wanted if not any(f".{layer}".endswith(f".{name}") for layer in layers)]:
        names = ", ".join(dict.fromkeys(layer.rpartition(".")[2] for layer in layers))
        raise ConfigError(
            [
                f"lora.targets={show_value(targets)}: no linear layer of the model is called"
                f" {' or '.join(unknown)} (there are: {names}; or all-linear)"
            ]
        )
    widest = max(
        (
            highest_rank(layer)
            for name, layer in layers.items()
            if not wanted or any(f".{name}".endswith(f".{target}") for target in wanted)
        ),
        default=config.rank,
    )
    if config.rank > widest:
        raise ConfigError(
            [
                f"lora.rank={config.rank}: no layer that adapters go on has a rank above {widest}; set it to {widest}"
                " at most, or to 0 to train all weights"
            ]
        )
    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        use_rslora=config.rslora,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )


def linear_layers(model: Any) -> dict[str, Any]:
    """The linear layers of `model` by their names, but for its output, which the embedding may share its weights
    with."""
    output = model.get_output_embeddings()
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, Linear | Conv1D) and layer is not output
    }


def highest_rank(layer: Any) -> int:
    """That the weight of a linear layer can have; weights of 4 bits have no shape that tells it."""
    width, height = layer.weight.shape if isinstance(layer, Conv1D) else (layer.in_features, layer.out_features)
    return int(min(width, height))


def adapter_count(model: Any, config: LoraSection) -> int:
    """Trainable parameters of `model`, which may stand on the meta device, with adapters. Changes `model`."""
    adapted = get_peft_model(model, lora_config(model, config))
    return sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)
