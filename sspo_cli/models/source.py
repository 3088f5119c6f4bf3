"""From `model=` to what a model is made of: its files, their hash, and the model that adapters among them stand on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download, try_to_load_from_cache
from pydantic import TypeAdapter

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubModel, LocalModel, ModelConfig, ScratchModel
from sspo_cli.hub import why_not
from sspo_cli.runs import integrity, manifest
from sspo_cli.runs.folder import is_run
from sspo_cli.runs.settings import read_tree

EMBEDDED = Path(__file__).parent / "tiny"
ADAPTER = "adapter_config.json"
BASE = "sspo_base.json"
# What decides which function a folder of a model computes; the tokenizer is a checkpoint's own.
DECIDING = (
    "config.json",
    "generation_config.json",
    ADAPTER,
    BASE,
    "*.safetensors",
    "*.safetensors.index.json",
    "*.bin",
)
MODEL: TypeAdapter[ModelConfig] = TypeAdapter(ModelConfig)


@dataclass(frozen=True)
class Base:
    """The model that adapters stand on, or that a reference policy is read from.

    model: a folder by its absolute path, a model of the hub by its commit. seed: draws the weights of model=scratch.
    sha256: `identify` of it; None where nobody wrote that down. moved: the same folder seen from the one that this is
    written in, so that both may be moved together.
    """

    model: ModelConfig
    seed: int
    sha256: str | None
    moved: Path | None = None


def settle(config: ModelConfig) -> ModelConfig:
    """`config`, but a folder is model=local under whichever name it was given."""
    if isinstance(config, HubModel) and Path(config.path).is_dir():
        template = {"chat_template": config.chat_template, "template_args": config.template_args}
        return LocalModel(kind="local", path=config.path, **template)  # type: ignore[arg-type]
    return config


def folder_of(config: ModelConfig) -> Path | None:
    """Where the files of a model are on this machine; None of model=scratch, and of a hub model that is not here."""
    if isinstance(config, ScratchModel):
        return None
    if isinstance(config, LocalModel):
        return Path(config.path)
    if not isinstance(config, HubModel):
        return EMBEDDED
    cached = (try_to_load_from_cache(config.path, name, revision=config.revision) for name in ("config.json", ADAPTER))
    return next((Path(file).parent for file in cached if isinstance(file, str)), None)


def has_adapters(config: ModelConfig) -> bool:
    """Whether the files of `config` are adapters of another model."""
    folder = folder_of(config)
    return folder is not None and (folder / ADAPTER).is_file()


def check_folder(folder: Path) -> None:
    """Refuse a folder that is damaged, or lacks weights, configuration or tokenizer, naming everything that is wrong.

    Raises:
        ConfigError: a line for each file, or for what is missing.
    """
    if not folder.is_dir():
        raise ConfigError([f"model.path={folder}: no such folder (looked for {folder.absolute()})"])
    integrity.check(folder)
    parts = {
        "config.json": ["config.json", ADAPTER],
        "weights (*.safetensors)": ["*.safetensors"],
        "a tokenizer (tokenizer.json or tokenizer_config.json)": ["tokenizer.json", "tokenizer_config.json"],
    }
    missing = [name for name, patterns in parts.items() if not any(any(folder.glob(glob)) for glob in patterns)]
    if missing:
        raise ConfigError([f"model.path={folder}: not a model folder: it lacks {', '.join(missing)}"])


def identify(config: ModelConfig, seed: int) -> str:
    """SHA-256 of everything that decides which function a model computes, what its adapters stand on included.

    Raises:
        ConfigError: for files that are damaged or not there.
    """
    hasher = hashlib.sha256()
    folder = folder_of(config)
    if folder is None:
        hasher.update(json.dumps([asdict(config), seed]).encode())
        return hasher.hexdigest()
    integrity.check(folder)
    saved = integrity.saved_hashes(folder)  # read a moment ago; not once more
    for file in sorted({file for pattern in DECIDING for file in folder.glob(pattern)}):
        hasher.update(f"{file.name} {saved.get(file.name) or integrity.sha256(file)}\n".encode())
    if (folder / ADAPTER).is_file():
        hasher.update(str(find(base_of(folder), folder).sha256).encode())
    return hasher.hexdigest()


def pinned(config: ModelConfig, seed: int) -> Base:
    """`config` as it is now: to be found again by path or commit, and known again by its content."""
    config = settle(config)
    return placed(config, seed, identify(config, seed))


def placed(config: ModelConfig, seed: int, sha256: str) -> Base:
    folder = folder_of(config)
    if isinstance(config, LocalModel | HubModel):
        config = replace(config, chat_template=None, template_args={})  # of its own tokenizer, which nobody reads
    if isinstance(config, LocalModel):
        config = replace(config, path=str(Path(config.path).resolve()))
    elif isinstance(config, HubModel) and folder is not None:
        config = replace(config, revision=folder.name)
    return Base(config, seed, sha256)


def find(base: Base, owner: Path, first: ModelConfig | None = None, *, changed: bool = False) -> Base:
    """`base` where it is by now: at `first`, where it was, or where it moved to together with `owner`.

    changed: take what is there even if it is not the same any more.

    Raises:
        ConfigError: telling what became of it.
    """
    there: list[Base] = []
    problems: list[str] = []
    damage: list[str] = []
    for model in places(base, first):
        if missing := why_missing(model):
            problems.append(missing)
            continue
        try:
            found = identify(model, base.seed)
        except ConfigError as error:
            damage += error.problems
            continue
        there.append(placed(model, base.seed, found))
        if base.sha256 in (None, found):
            return there[-1]
        problems.append(f"{show(model)} has changed since: its SHA-256 is {found[: integrity.SHOWN]}...")
    if there and changed:
        return there[0]
    known = f" (SHA-256 {base.sha256[: integrity.SHOWN]}...)" if base.sha256 else ""
    told = f"{owner}: stands on {show(base.model)}{known}, but {' and '.join(problems)}; bring it back"
    raise ConfigError(damage or [told])


def why_missing(model: ModelConfig) -> str | None:
    """Why the files of a model are not on this machine, if they are not. The hub is asked for its own."""
    folder = folder_of(model)
    if isinstance(model, HubModel) and folder is None:
        reason = why_not(model.path, "model", model.revision)
        if reason is None:
            snapshot_download(model.path, revision=model.revision, allow_patterns=list(DECIDING))
            return None
        return f"{model.path} is not in the local cache and {reason}"
    return f"{folder.absolute()} is not there" if folder is not None and not folder.is_dir() else None


def places(base: Base, first: ModelConfig | None = None) -> Iterator[ModelConfig]:
    """Where the model of `base` may be, each place once."""
    seen: list[Any] = []
    moved = None if base.moved is None else LocalModel(kind="local", path=str(base.moved))
    for model in (first and settle(first), base.model, moved):
        if model is None:
            continue
        folder = folder_of(model)
        place = folder.resolve() if isinstance(model, LocalModel) and folder else model
        if place not in seen:
            seen.append(place)
            yield model


def whereabouts(base: Base) -> ModelConfig:
    """The first place of `base` where there is a model at all, whichever it is; reads none of it."""
    folders = ((model, folder_of(model)) for model in places(base))
    return next((model for model, folder in folders if folder is not None and folder.is_dir()), base.model)


def verify(config: ModelConfig) -> None:
    """Refuse a checkpoint that is damaged, or whose adapters stand on something that has changed.

    Raises:
        ConfigError: telling what is wrong.
    """
    config = settle(config)
    if not isinstance(config, LocalModel) or not Path(config.path).is_dir():
        return
    folder = Path(config.path)
    integrity.check(folder)
    if has_adapters(config) and folder_of(whereabouts(base := base_of(folder))) is not None:
        find(base, folder)


def show(model: ModelConfig) -> str:
    return model.path if isinstance(model, LocalModel | HubModel) else f"model={model.kind}"


def base_of(folder: Path) -> Base:
    """What the adapters in `folder` stand on.

    As the checkpoint itself says; else, of a checkpoint from before they did, as its run's configuration says; else,
    of adapters from elsewhere, as peft wrote it down.
    """
    integrity.check(folder)
    if (folder / BASE).is_file():
        return from_json(json.loads((folder / BASE).read_text(encoding="utf-8")), folder)
    run = folder.absolute().parent.parent
    if integrity.is_unsealed(folder) and is_run(run):
        config = read_tree(run / "config.yaml")
        return Base(MODEL.validate_python(config["model"]), config["seed"], None)
    try:
        adapter = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
        base = HubModel(kind="hub", path=adapter["base_model_name_or_path"], revision=adapter.get("revision") or "main")
    except (ValueError, KeyError) as error:
        raise ConfigError([f"{folder / ADAPTER}: does not say which model the adapters stand on"]) from error
    return Base(settle(base), 0, None)


def base_of_checkpoint(checkpoint: Path, model: ModelConfig, seed: int) -> Base:
    """What the adapters of a checkpoint, or the reference policy of its run, stand on: as it says, else `model`."""
    if (checkpoint / ADAPTER).is_file():
        return base_of(checkpoint)
    run = checkpoint.absolute().parent.parent
    content = manifest.read(run).get("base")
    return Base(model, seed, None) if content is None else from_json(content, run)


def to_json(base: Base, folder: Path) -> dict[str, Any]:
    """`base`, to be written into `folder`."""
    moved = (
        {"from_here": os.path.relpath(base.model.path, folder.resolve())} if isinstance(base.model, LocalModel) else {}
    )
    return {"model": asdict(base.model), "seed": base.seed, "sha256": base.sha256, **moved}


def from_json(content: dict[str, Any], folder: Path) -> Base:
    moved = (folder / content["from_here"]).resolve() if "from_here" in content else None
    return Base(MODEL.validate_python(content["model"]), content["seed"], content["sha256"], moved)
