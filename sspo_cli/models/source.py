"""From `model=` to the files of a model: which folder holds them, and whether they are all there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeGuard

from huggingface_hub import constants, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from sspo_cli import hub
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig, ScratchModel, TemplateSection, WeightsSection
from sspo_cli.models import gguf
from sspo_cli.runs import integrity

EMBEDDED = Path(__file__).parent / "tiny"
ADAPTER = "adapter_config.json"
BASE = "sspo_base.json"
PARTS = {
    "config.json": ["config.json", ADAPTER],
    "weights (*.safetensors)": ["*.safetensors"],
    "a tokenizer (tokenizer.json or tokenizer_config.json)": ["tokenizer.json", "tokenizer_config.json"],
}
ANY_WEIGHTS = ("*.safetensors", "*.bin")  # of the hub; a folder needs the former, which cannot hold code
INDEX = "model.safetensors.index.json"
# JSON files of a model, each of which may be missing.
DESCRIBING = (
    *("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", ADAPTER, INDEX),
)
HOW_HELD = {item.name for item in fields(WeightsSection)}
KEPT = HOW_HELD | {item.name for item in fields(TemplateSection)}  # by a model under another name
# (dtype, quantize) of weights that are held as they are trained, so that they compute what they always did.
UNCHANGED = ("float32", "none")


class NotCached(ConfigError):
    """A model of the hub that is neither in the local cache nor reachable."""


def settle(config: ModelConfig) -> ModelConfig:
    """`config`, but a folder or file is model=local under whichever name it was given."""
    if isinstance(config, HubModel) and Path(config.path).exists():
        kept = {name: getattr(config, name) for name in KEPT}
        return LocalModel(kind="local", path=config.path, **kept)
    return config


def folder_of(config: ModelConfig) -> Path | None:
    """Where the files of a model are on this machine, or will be once its GGUF file is unpacked; None of model=scratch,
    and of a hub model that is not here."""
    if isinstance(config, ScratchModel):
        return None
    if isinstance(config, LocalModel):
        return gguf.place(Path(config.path)) if in_file(config) else Path(config.path)
    if not isinstance(config, HubModel):
        return EMBEDDED
    with suppress(HFValidationError):  # no id of the hub, as it says when it is asked
        for name in ("config.json", ADAPTER):
            if isinstance(file := try_to_load_from_cache(config.path, name, revision=config.revision), str):
                return Path(file).parent
    return None


def in_file(config: ModelConfig) -> TypeGuard[LocalModel]:
    """Whether `config` is a GGUF file that is there."""
    return isinstance(config, LocalModel) and gguf.is_gguf(config.path) and Path(config.path).is_file()


def files_of(config: ModelConfig) -> Path | None:
    """The folder with the files of a model, all of them: a GGUF file is unpacked, a hub model that is not here is
    downloaded. None of model=scratch.

    Raises:
        ConfigError: naming everything that is missing or damaged.
    """
    if isinstance(config, LocalModel):
        if gguf.is_gguf(config.path) and not Path(config.path).is_dir():
            return gguf.unpacked(Path(config.path))
        check_folder(Path(config.path))
        return Path(config.path)
    if isinstance(config, HubModel):
        return cached(config)
    return folder_of(config)


def ask_ahead(config: ModelConfig) -> None:
    """Ask the hub for a model that is not here, before torch is imported, which takes as long as the answer."""
    config = settle(config)
    if isinstance(config, HubModel) and folder_of(config) is None:
        hub.ask_ahead(config.path, "model", config.revision)


def cached(config: HubModel) -> Path:
    """The folder of a hub model in the local cache, where it is brought if it is not there.

    Raises:
        NotCached: with what to download, and where it was looked for.
    """
    folder = folder_of(config)
    if folder is not None and not lacking(folder, ANY_WEIGHTS):
        return folder
    reason = hub.why_not(config.path, "model", config.revision)
    if reason is None:
        try:
            hub.download_model(config.path, config.revision)
        except Exception as error:  # whatever the libraries raise of a network
            reason = f"the download failed ({type(error).__name__})"
    if reason is None and (folder := folder_of(config)) is not None:
        return folder
    raise not_cached(config, reason or "the hub has no such model", folder)


def not_cached(config: HubModel, reason: str, folder: Path | None = None) -> NotCached:
    command = hub.how_to_download(config.path, "model", config.revision)
    how = f"not in the local cache ({constants.HF_HUB_CACHE})"
    if folder is not None:
        how = f"in the local cache only in part ({folder} lacks {', '.join(lacking(folder, ANY_WEIGHTS))})"
    return NotCached(
        [
            f"model.path={config.path}: {how} and {reason}; download it once with network access ({command}), or set"
            " model=local model.path=FOLDER"
        ]
    )


def has_adapters(config: ModelConfig) -> bool:
    """Whether the files of `config` are adapters of another model."""
    folder = None if in_file(config) else folder_of(config)
    return folder is not None and (folder / ADAPTER).is_file()


def check_folder(folder: Path) -> None:
    """Refuse a folder that is damaged, or lacks weights, configuration or tokenizer, naming everything that is wrong.

    Raises:
        ConfigError: a line for each file, or for what is missing.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError([f"model.path={folder}: is not a folder: name the folder of a model, or a file NAME.gguf"])
    if not folder.is_dir():
        raise ConfigError([f"model.path={folder}: no such folder (looked for {folder.absolute()})"])
    integrity.check(folder)
    if missing := lacking(folder):
        raise ConfigError([f"model.path={folder}: not a model folder: it lacks {', '.join(missing)}"])
    if torn := [fault for name in DESCRIBING if (fault := no_object(folder / name))]:
        raise ConfigError(
            f"model.path={folder}: {fault}; bring back the file that came with the model" for fault in torn
        )


def no_object(file: Path) -> str | None:
    """Why `file`, if it is there, is no JSON object: transformers goes on without some that it cannot read."""
    if not file.is_file():
        return None
    try:
        return None if isinstance(json.loads(file.read_bytes()), dict) else f"{file.name} is not a JSON object"
    except (OSError, ValueError, RecursionError) as error:
        return f"{file.name} cannot be read as JSON: {error}"


def lacking(folder: Path, weights: Sequence[str] = ("*.safetensors",)) -> list[str]:
    """Which of its parts a folder of a model lacks. weights: the patterns of their files."""
    wanted = {name: weights if name.startswith("weights") else patterns for name, patterns in PARTS.items()}
    missing = [name for name, patterns in wanted.items() if not holds(folder, patterns)]
    try:
        shards = json.loads((folder / INDEX).read_bytes())["weight_map"].values()
    except (OSError, ValueError, KeyError, AttributeError):
        shards = []
    return missing + sorted({shard for shard in shards if not (folder / shard).is_file()})


def holds(folder: Path, patterns: Sequence[str]) -> bool:
    return any(file.is_file() for pattern in patterns for file in folder.glob(pattern))


def resolved(config: ModelConfig) -> ModelConfig:
    """`config` so that it names the same files later and from elsewhere: an absolute path, or the commit of a hub model
    that is on this machine."""
    config = settle(config)
    folder = folder_of(config) if isinstance(config, HubModel) else None
    if isinstance(config, LocalModel):
        return replace(config, path=str(Path(config.path).resolve()))
    return replace(config, revision=folder.name) if isinstance(config, HubModel) and folder else config


def is_here(model: ModelConfig) -> bool:
    """Whether there are files of a model, or none are needed; reads none of them, and asks nobody."""
    folder = folder_of(model)
    return isinstance(model, ScratchModel) or in_file(model) or (folder is not None and folder.is_dir())


def show(model: ModelConfig) -> str:
    return model.path if isinstance(model, LocalModel | HubModel) else f"model={model.kind}"
