"""From `model=` to a policy."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.constants import HF_HUB_CACHE
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig
from transformers.utils import GENERATION_CONFIG_NAME

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig, ScratchModel
from sspo_cli.hub import why_not
from sspo_cli.models.policy import Policy
from sspo_cli.models.source import (
    EMBEDDED,
    Base,
    base_of,
    check_folder,
    find,
    folder_of,
    has_adapters,
    settle,
    whereabouts,
)
from sspo_cli.models.template import check_template, choose_template

# The run has its own display; bars of the library would tear it.
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
LONGEST_REASON = 300  # characters of what a library says


class NotCached(ConfigError):
    """A model of the hub that is neither in the local cache nor reachable."""


def load_policy(
    config: ModelConfig,
    seed: int,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    *,
    base: Base | None = None,
    merged: bool = False,
) -> Policy:
    """The policy that `config` names, on `device`, in float32 whatever its files hold: in bfloat16 the small steps of
    policy optimization round to nothing. `seed` draws the weights of model=scratch; `precision` is that of its matrix
    products.

    Adapters stand on their base as they did while they were trained, so that the function is the same to the last bit;
    merged: they become part of the weights. base: what they stand on, if the caller has found it already.

    Raises:
        ConfigError: a folder that is damaged, or without weights or tokenizer; a hub model that cannot be had; adapters
            whose base has changed.
    """
    config = settle(config)
    check_template(config)
    model, base = read_model(config, seed, base)
    if merged and base is not None:
        model, base = model.merge_and_unload(), None
    tokenizer = load_tokenizer(config)  # now the hub has told whether its files are adapters
    return Policy(model.to(device).eval(), tokenizer, base=base, precision=precision)


def load_tokenizer(config: ModelConfig, *, download: bool = True) -> Any:
    """The tokenizer that `config` names, with its chat template.

    Raises:
        NotCached: for a hub model that is not at hand.
        ConfigError: for one that cannot be read or has no end-of-sequence token; for a chat template that cannot be
            read, and arguments that it does not read.
    """
    config = settle(config)
    if isinstance(config, ScratchModel):
        return AutoTokenizer.from_pretrained(EMBEDDED)
    if isinstance(config, LocalModel) and not any((Path(config.path) / name).is_file() for name in TOKENIZER_FILES):
        raise ConfigError([f"model.path={config.path}: the folder lacks a tokenizer ({' or '.join(TOKENIZER_FILES)})"])
    # Of adapters from the hub, the folder: asked by name, transformers looks for the configuration of a model.
    folder = folder_of(config) if has_adapters(config) else None
    place = config if folder is None else LocalModel(kind="local", path=str(folder))
    tokenizer = read(AutoTokenizer, place, download=download)
    if tokenizer.eos_token_id is None:
        raise ConfigError([f"model.path={where(config)[0]}: the tokenizer has no end-of-sequence token"])
    choose_template(tokenizer, config)
    return tokenizer


def generation_config(config: ModelConfig) -> Any:
    """What the model says about generation, without its weights.

    Raises:
        NotCached: for a hub model that is not at hand.
    """
    config = settle(config)
    folder = folder_of(config)
    if folder is not None and has_adapters(config):
        return generation_config(whereabouts(base_of(folder)))
    if folder is not None and (folder / GENERATION_CONFIG_NAME).is_file():
        return read(GenerationConfig, LocalModel(kind="local", path=str(folder)), download=False)
    return GenerationConfig.from_model_config(architecture(config))


def read_model(config: ModelConfig, seed: int, base: Base | None = None) -> tuple[Any, Base | None]:
    """The weights that `config` names; and of adapters, which come on their base, that base."""
    if isinstance(config, ScratchModel):
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(architecture(config), dtype=torch.float32), None
    if isinstance(config, LocalModel):
        check_folder(Path(config.path))
    model = None if has_adapters(config) else read(AutoModelForCausalLM, config, download=True, dtype=torch.float32)
    folder = folder_of(config)
    if folder is None or not has_adapters(config):  # asked again: what has just been downloaded may be adapters
        return model, None
    from sspo_cli.models.lora import put_on

    base = base or find(base_of(folder), folder)
    under, its_base = read_model(base.model, base.seed)
    return put_on(under if its_base is None else under.merge_and_unload(), folder), base


def architecture(config: ModelConfig) -> Any:
    """The transformers configuration of the model, without its weights.

    Raises:
        NotCached: for a hub model that is not at hand.
        ConfigError: for a folder without config.json.
    """
    config = settle(config)
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
    folder = folder_of(config)
    if folder is not None and has_adapters(config):
        return architecture(whereabouts(base_of(folder)))
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
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever the libraries raise on a user's files
        if not isinstance(config, HubModel) or not isinstance(error, OSError | ValueError | RuntimeError):
            told = textwrap.shorten(f"{type(error).__name__}: {error}", LONGEST_REASON, placeholder=" ...")
            raise ConfigError([f"model.path={source}: {told}"]) from error
        reason = why_not(source, "model", config.revision) if download else "a dry run downloads nothing"
        if reason is None:
            return loader.from_pretrained(source, **{**where_options, "local_files_only": False}, **options)
        raise NotCached(
            [
                f"model.path={source}: not in the local cache ({HF_HUB_CACHE}) and {reason};"
                f" download it once with network access (`hf download {source}`), or set model=local model.path=FOLDER"
            ]
        ) from error
