"""From `model=` to a policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.constants import HF_HUB_CACHE
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig, ScratchModel
from sspo_cli.hub import why_not
from sspo_cli.models.policy import Policy

# The run has its own display; bars of the library would tear it.
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()

EMBEDDED = Path(__file__).parent / "tiny"
ADAPTER = "adapter_config.json"


class NotCached(ConfigError):
    """A model of the hub that is neither in the local cache nor reachable."""


def load_policy(config: ModelConfig, seed: int, device: torch.device, precision: torch.dtype = torch.float32) -> Policy:
    """The policy that `config` names, on `device`, in float32 whatever its files hold: in bfloat16 the small steps of
    policy optimization round to nothing. `seed` draws the weights of model=scratch; `precision` is that of its matrix
    products.

    Raises:
        ConfigError: a folder without weights or tokenizer, a hub model that cannot be had.
    """
    if isinstance(config, ScratchModel):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(architecture(config), dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    else:
        if isinstance(config, LocalModel):
            check_folder(config.path)
        model = read_model(config)
        tokenizer = read(AutoTokenizer, config, download=True)
    if tokenizer.eos_token_id is None:
        raise ConfigError([f"model.path={where(config)[0]}: the tokenizer has no end-of-sequence token"])
    return Policy(model.to(device).eval(), tokenizer, precision=precision)


def read_model(config: ModelConfig) -> Any:
    """The weights that `config` names; a folder of adapters gives its base model with them merged into the weights."""
    if isinstance(config, LocalModel) and (Path(config.path) / ADAPTER).is_file():
        from sspo_cli.models.lora import Merged

        return read(Merged, config, download=True, dtype=torch.float32)
    return read(AutoModelForCausalLM, config, download=True, dtype=torch.float32)


def architecture(config: ModelConfig) -> Any:
    """The transformers configuration of the model, without its weights.

    Raises:
        NotCached: for a hub model that is not at hand.
        ConfigError: for a folder without config.json.
    """
    if isinstance(config, ScratchModel):
        embedded = AutoConfig.from_pretrained(EMBEDDED)
        return LlamaConfig(
            vocab_size=embedded.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.positions,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=embedded.eos_token_id,
            pad_token_id=embedded.pad_token_id,
        )
    if isinstance(config, LocalModel) and (Path(config.path) / ADAPTER).is_file():
        base = json.loads((Path(config.path) / ADAPTER).read_text(encoding="utf-8"))["base_model_name_or_path"]
        return read(AutoConfig, LocalModel(kind="local", path=base), download=False)
    if isinstance(config, LocalModel) and not (Path(config.path) / "config.json").is_file():
        raise ConfigError(
            [f"model.path={config.path}: not a model folder: no config.json in {Path(config.path).absolute()}"]
        )
    return read(AutoConfig, config, download=False)


def where(config: ModelConfig) -> tuple[str, dict[str, Any]]:
    """What from_pretrained is asked for, on this machine only. Code that a model folder brings is never run."""
    options = {"local_files_only": True, "trust_remote_code": False}
    if isinstance(config, HubModel):
        return config.path, {**options, "revision": config.revision}
    return (config.path if isinstance(config, LocalModel) else str(EMBEDDED)), options


def read(loader: Any, config: ModelConfig, *, download: bool, **options: Any) -> Any:
    """`loader` from the folder or the hub's local cache, else from the hub itself if `download`."""
    source, where_options = where(config)
    try:
        return loader.from_pretrained(source, **where_options, **options)
    except (OSError, ValueError, RuntimeError) as error:
        if not isinstance(config, HubModel):
            raise ConfigError([f"model.path={source}: {str(error).splitlines()[0].strip()}"]) from error
        reason = why_not(source, "model", config.revision) if download else "a dry run downloads nothing"
        if reason is None:
            return loader.from_pretrained(source, **{**where_options, "local_files_only": False}, **options)
        raise NotCached(
            [
                f"model.path={source}: not in the local cache ({HF_HUB_CACHE}) and {reason};"
                f" download it once with network access (`hf download {source}`), or set model=local model.path=FOLDER"
            ]
        ) from error


def check_folder(path: str) -> None:
    """Refuse a folder that lacks weights, configuration or tokenizer, naming everything that is missing."""
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigError([f"model.path={path}: no such folder (looked for {folder.absolute()})"])
    parts = {
        "config.json": ["config.json", ADAPTER],
        "weights (*.safetensors)": ["*.safetensors"],
        "a tokenizer (tokenizer.json or tokenizer_config.json)": ["tokenizer.json", "tokenizer_config.json"],
    }
    missing = [name for name, patterns in parts.items() if not any(any(folder.glob(glob)) for glob in patterns)]
    if missing:
        raise ConfigError([f"model.path={path}: not a model folder: it lacks {', '.join(missing)}"])
