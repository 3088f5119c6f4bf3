"""Models in GGUF files: dequantized once into a cache folder, which is read like any folder of a model."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.guards import file_fault, is_out_of_memory
from sspo_cli.runs import integrity

SUFFIX, MAGIC = ".gguf", b"GGUF"
FORM = 1  # grows when the folder that is made of a file changes
LONGEST_REASON = 300  # characters of what a library says

# How text is cut before its parts become tokens, by the names of llama.cpp (`tokenizer.ggml.pre`), where transformers
# cuts as GPT-2 does: these take each digit apart first.
DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
AS_GPT2 = ("default", "gpt-2", "phi-2")
# Rotary frequencies of Llama 3.1 and later are scaled; a file holds the factors, and not how they came about.
LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}


def is_gguf(path: str | Path) -> bool:
    return Path(path).suffix.lower() == SUFFIX


def sha256(file: Path) -> str:
    """Of the content of `file`, which is read once as long as it stays as it is."""
    fact = file.stat()
    return hash_of(file, fact.st_ino, fact.st_size, fact.st_mtime_ns)


@cache
def hash_of(file: Path, *signature: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def place(file: Path) -> Path:
    """The folder that is, or will be, made of `file`: another one for every content."""
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "sspo" / "gguf" / f"{file.stem}-{sha256(file)[:16]}-{FORM}"


def unpacked(file: Path) -> Path:
    """The folder of a model that `file` holds, in float32 and with its tokenizer; made if it is not there, or damaged.

    Raises:
        ConfigError: for a file that is none, is truncated, or holds a model that transformers cannot read; and where
            the cache cannot be written.
    """
    check_file(file)
    folder = place(file)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if folder.is_dir() and not integrity.damage(folder):
                return folder
            print(f"sspo: {file} is dequantized once, into {folder}", file=sys.stderr)
            # Whoever wrote here before held the lock, so what is left is of a process that was killed.
            partial = folder.with_name(f".partial-{folder.name}")
            for old in (partial, folder):
                shutil.rmtree(old, ignore_errors=True)
            try:
                convert(file, partial)
                integrity.seal(partial)
                partial.rename(folder)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except Exception as error:
        if (why := file_fault(error)) is None:
            raise
        raise refused(file, f"cannot be dequantized into {folder}: {why}") from error
    return folder


def architecture(file: Path) -> Any:
    """The transformers configuration of the model in `file`, without its weights.

    Raises:
        ConfigError: for a file that is none, is damaged, or of an architecture that transformers cannot read.
    """
    from transformers import AutoConfig

    check_file(file)
    with told(file):
        return AutoConfig.from_pretrained(str(file.parent), gguf_file=file.name, local_files_only=True)


def check_file(file: Path) -> None:
    """Refuse what is no GGUF file before anything is imported.

    Raises:
        ConfigError: telling why.
    """
    if not file.is_file():
        raise ConfigError([f"model.path={file}: no such file (looked for {file.absolute()})"])
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise refused(file, "not a GGUF file: it does not begin with the letters GGUF")
    if find_spec("gguf") is None:
        raise ConfigError(
            [f"model.path={file}: GGUF files are read with the package gguf: install it with `pip install gguf`"]
        )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Runs that start together dequantize a file once: the others wait."""
    with folder.with_name(f".{folder.name}.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def convert(file: Path, folder: Path) -> None:
    """Write the model and the tokenizer in `file` into `folder`.

    Raises:
        ConfigError: telling why it cannot be done.
        OSError: if `folder` cannot be written.
    """
    import torch
    from transformers import AutoModelForCausalLM

    fields, factors = read_fields(file)
    with told(file), redirect_stderr(StringIO()):  # bars of the library
        options = {"gguf_file": file.name, "local_files_only": True}
        loaded, found = AutoModelForCausalLM.from_pretrained(
            str(file.parent), dtype=torch.float32, output_loading_info=True, **options
        )
    if found["missing_keys"]:
        missing = ", ".join(sorted(found["missing_keys"])[:3])
        raise refused(file, f"lacks weights of the model, as transformers reads it: {missing}, ...")
    config = loaded.config
    config.rope_parameters = rope(file, fields, factors, config)
    tokenizer = tokenizer_of(file, fields)
    # transformers does not save what it has read from GGUF, though the weights are plain by now.
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        if hasattr(config, key):
            delattr(config, key)
    with torch.device("meta"):
        fresh = AutoModelForCausalLM.from_config(config)
    fresh.load_state_dict(loaded.state_dict(), assign=True)
    fresh.tie_weights()
    fresh.generation_config = loaded.generation_config
    fresh.generation_config.eos_token_id = end_ids(file, fields)
    fresh.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def read_fields(file: Path) -> tuple[dict[str, Any], list[float]]:
    """The metadata of `file` but for long lists, and the factors of its rotary frequencies, if it has any.

    Raises:
        ConfigError: if the file is truncated or damaged.
    """
    from gguf import GGUFReader

    with told(file, "truncated or damaged: "):
        reader = GGUFReader(file)
        single = {name: field.contents() for name, field in reader.fields.items() if len(field.data) == 1}
        factors = [tensor.data.tolist() for tensor in reader.tensors if tensor.name == "rope_freqs.weight"]
        return single, factors[0] if factors else []


def rope(file: Path, fields: dict[str, Any], factors: list[float], config: Any) -> Any:
    """The rotary settings of the model, which transformers reads without their scaling.

    Raises:
        ConfigError: for a scaling that is not that of Llama 3.
    """
    settings: Any = getattr(config, "rope_parameters", None)
    kind = fields.get(f"{fields.get('general.architecture')}.rope.scaling.type", "none")
    if kind != "none" and (settings or {}).get("rope_type", "default") == "default":
        raise refused(file, f"its rotary frequencies are scaled ({kind}), which transformers does not read from GGUF")
    if not factors:
        return settings
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config.rope_parameters = {**settings, "rope_type": "llama3", "factor": max(factors), **LLAMA3_ROPE}
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = [settings["rope_theta"] ** (-place / len(factors)) for place in range(len(factors))]
    if any(abs(p / float(s) - f) > 1e-3 * f for p, s, f in zip(plain, scaled, factors, strict=True)):
        raise refused(file, "its rotary frequencies are scaled, and not as those of Llama 3 are")
    return config.rope_parameters


def end_ids(file: Path, fields: dict[str, Any] | None = None) -> list[int] | None:
    """Token ids that end a response, as `file` says; fields: its metadata, if the caller has read it already."""
    fields = read_fields(file)[0] if fields is None else fields
    ends = [fields.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")]
    return list(dict.fromkeys(end for end in ends if end is not None)) or None


def tokenizer_of(file: Path, fields: dict[str, Any] | None = None) -> Any:
    """The tokenizer in `file`; fields: its metadata, if the caller has read it already.

    Raises:
        ConfigError: for a file that holds none, or one that is not supported.
    """
    from transformers import AutoTokenizer

    with told(file), redirect_stderr(StringIO()):
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name, local_files_only=True)
    cut_as_learned(file, read_fields(file)[0] if fields is None else fields, tokenizer)
    return tokenizer


def cut_as_learned(file: Path, fields: dict[str, Any], tokenizer: Any) -> None:
    """Let `tokenizer` cut text as the model's own does.

    Raises:
        ConfigError: for a way to cut that neither transformers nor we know: other tokens than the model has learned
            would train, and measure, another model.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    name = fields.get("tokenizer.ggml.pre", "default")
    if fields.get("tokenizer.ggml.model") != "gpt2" or name in (*AS_GPT2, *GGUF_PRE_TOKENIZER_SPLITS):
        return
    if name not in DIGITS_APART:
        raise refused(file, f"its tokenizer cuts text in a way that is not known here (tokenizer.ggml.pre={name})")
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )


@contextmanager
def told(file: Path, what: str = "") -> Iterator[None]:
    """Whatever the libraries raise on a user's file, but for a lack of memory, is a line."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        text = textwrap.shorten(f"{what}{type(error).__name__}: {error}", LONGEST_REASON, placeholder=" ...")
        raise refused(file, text) from error


def refused(file: Path, why: str) -> ConfigError:
    return ConfigError([f"model.path={file}: {why}; use another GGUF file, or a folder of the model (model=local)"])
