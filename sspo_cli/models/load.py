"""From `model=` to a policy."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, LlamaConfig
from transformers.utils import GENERATION_CONFIG_NAME

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig, ScratchModel
from sspo_cli.guards import is_out_of_memory
from sspo_cli.models import gguf
from sspo_cli.models.base import Base, base_of, find, whereabouts
from sspo_cli.models.policy import Policy
from sspo_cli.models.source import (
    EMBEDDED,
    UNCHANGED,
    files_of,
    folder_of,
    has_adapters,
    in_file,
    not_cached,
    settle,
    show,
)
from sspo_cli.models.template import check_template, choose_template
from sspo_cli.models.weights import attention, held_dtype, in_4_bits, one_function

# The run has its own display; bars of the library would tear it.
transformers.logging.disable_progress_bar()
transformers.logging.set_verbosity_error()
# peft imports it where it is installed, and it tells of faster code that it did not find.
logging.getLogger("bitsandbytes").setLevel(logging.CRITICAL)


TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
LONGEST_REASON = 300  # characters of what a library says
NAMES_SHOWN = 3  # of weights


def load_policy(
    config: ModelConfig,
    seed: int,
    device: torch.device,
    precision: torch.dtype = torch.float32,
    *,
    base: Base | None = None,
    merged: bool = False,
) -> Policy:
    """The policy that `config` names, on `device`. Its weights are held as model.dtype and model.quantize say; whoever
    trains them asks for float32. `seed` draws the weights of model=scratch; `precision` is that of its matrix products,
    bfloat16 at most where weights are.

    Adapters stand on their base as they did while they were trained, so that the function is the same to the last bit;
    merged: they become part of the weights. base: what they stand on, if the caller has found it already.

    Raises:
        ConfigError: a folder that is damaged, or without weights or tokenizer; a hub model that cannot be had; adapters
            whose base has changed.
    """
    config = settle(config)
    check_template(config)
    model, base = read_model(config, seed, device, precision, base, merged=merged)
    if base is None:
        pass
    elif merged:
        model, base = merge(model, config), None
    elif (config.dtype, config.quantize) != UNCHANGED:
        raise ConfigError(
            [
                f"model.path={show(config)}: adapters stand on weights as they were trained on; leave out model.dtype"
                " and model.quantize"
            ]
        )
    tokenizer = load_tokenizer(config)
    if tokenizer.eos_token_id >= (rows := model.get_input_embeddings().weight.shape[0]):
        raise ConfigError(
            [
                f"model.path={show(config)}: the tokenizer ends texts with {tokenizer.eos_token}"
                f" ({tokenizer.eos_token_id}), and the model has embeddings of {rows} tokens: they are not of one model"
            ]
        )
    if torch.bfloat16 in {parameter.dtype for parameter in model.parameters()}:
        precision = torch.bfloat16
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
    folder = files_of(config) if download else folder_of(config)
    if folder is None:
        assert isinstance(config, HubModel)
        raise not_cached(config, "a dry run downloads nothing")
    if in_file(config) and not folder.is_dir():
        gguf.check_file(Path(config.path))
        tokenizer = gguf.tokenizer_of(Path(config.path))
    elif not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ConfigError([f"model.path={show(config)}: the folder lacks a tokenizer ({' or '.join(TOKENIZER_FILES)})"])
    else:
        tokenizer = read(AutoTokenizer, config, folder)
    if tokenizer.eos_token_id is None:
        raise ConfigError([f"model.path={show(config)}: the tokenizer has no end-of-sequence token"])
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
        return read(GenerationConfig, config, folder)
    found = GenerationConfig.from_model_config(architecture(config))
    if in_file(config):
        found.eos_token_id = gguf.end_ids(Path(config.path))
    return found


def read_model(
    config: ModelConfig,
    seed: int,
    device: torch.device,
    precision: torch.dtype,
    base: Base | None = None,
    *,
    merged: bool = False,
    dequantized: bool = False,
) -> tuple[Any, Base | None]:
    """The weights that `config` names; and of adapters, which come on their base, that base. merged: whether adapters
    will be. dequantized: weights of 4 bits, to be summed with adapters."""
    folder = files_of(config)
    if folder is None:
        torch.manual_seed(seed)
        shape = architecture(config)
        model = AutoModelForCausalLM.from_config(shape, dtype=torch.float32, **attention(config))
        return model.to(held_dtype(config, shape)), None
    if not has_adapters(config):
        dtype = held_dtype(config, read(AutoConfig, config, folder))
        options = {"dtype": dtype, **attention(config)}
        if config.quantize == "none":
            return read_weights(config, folder, **options), None
        compute = torch.bfloat16 if torch.bfloat16 in (dtype, precision) else torch.float32
        quantized = read_weights(config, folder, **options, **in_4_bits(compute, device))
        return quantized.dequantize() if dequantized else one_function(quantized), None
    from sspo_cli.models.lora import put_on

    base = base or find(base_of(folder), folder)
    under, its_base = read_model(
        base.model, base.seed, device, precision, merged=has_adapters(base.model), dequantized=merged
    )
    return put_on(under if its_base is None else merge(under, base.model), folder), base


def read_weights(config: ModelConfig, folder: Path, **options: Any) -> Any:
    """The model in `folder`, every weight of which is in its files.

    Raises:
        ConfigError: for weights that are missing or of another shape: transformers would draw them at random.
    """
    found: dict[str, Any]
    model, found = read(
        AutoModelForCausalLM, config, folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    missing = sorted(found["missing_keys"])
    shapes = [f"{name} ({tuple(there)}, not {tuple(wanted)})" for name, there, wanted in found["mismatched_keys"]]
    if not missing and not shapes:
        return model
    why = [
        f"{what} {', '.join(names[:NAMES_SHOWN])}{', ...' if len(names) > NAMES_SHOWN else ''}"
        for what, names in ((f"lack {len(missing)} weights,", missing), ("have another shape of", sorted(shapes)))
        if names
    ]
    raise ConfigError(
        [
            f"model.path={show(config)}: its files {' and '.join(why)}; {type(model).__name__} would draw them at"
            " random; use the folder of a whole causal LM"
        ]
    )


def merge(model: Any, config: ModelConfig) -> Any:
    """`model` with its adapters as part of its weights, summed in float32 and then held as `config` says.

    Raises:
        ConfigError: for weights of 4 bits, which the sum would not fit.
    """
    if config.quantize != "none":
        raise ConfigError(
            [
                f"model.quantize={config.quantize}: {show(config)} holds adapters, whose sum with the weights is not"
                " quantized; make one model of them first: `sspo export RUN --merge`"
            ]
        )
    whole = model.float().merge_and_unload()
    return whole.to(held_dtype(config, whole.config))


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
    if folder is None:
        assert isinstance(config, HubModel)
        raise not_cached(config, "a dry run downloads nothing")
    if has_adapters(config):
        return architecture(whereabouts(base_of(folder)))
    if isinstance(config, LocalModel) and gguf.is_gguf(config.path) and not folder.is_dir():
        return gguf.architecture(Path(config.path))
    if not (folder / "config.json").is_file():
        raise ConfigError([f"model.path={show(config)}: not a model folder: no config.json in {folder.absolute()}"])
    return read(AutoConfig, config, folder)


def read(loader: Any, config: ModelConfig, folder: Path, **options: Any) -> Any:
    """`loader` from the files of `config` in `folder`. Nothing is asked for elsewhere, and code that a folder brings is
    never run."""
    try:
        return loader.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False, **options)
    except Exception as error:  # whatever the libraries raise on a user's files
        if is_out_of_memory(error):
            raise
        told = textwrap.shorten(f"{type(error).__name__}: {error}", LONGEST_REASON, placeholder=" ...")
        raise ConfigError([f"model.path={show(config)}: {told}"]) from error
