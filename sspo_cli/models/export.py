"""A checkpoint as a plain folder, which transformers and peft load without this package."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import LocalModel
from sspo_cli.guards import file_fault
from sspo_cli.models.base import base_of, find, to_json
from sspo_cli.models.load import load_policy
from sspo_cli.models.lora import name_for_others
from sspo_cli.models.source import ADAPTER, BASE, has_adapters
from sspo_cli.runs import integrity

OURS = ("trainer", integrity.MANIFEST, ".*")


def export(checkpoint: Path, folder: Path, *, merge: bool) -> bool:
    """Write the model of `checkpoint` into `folder`, whole or not at all. Returns whether adapters were written.

    merge: its adapters as part of the weights, in float32; else they are written as peft knows them, and a model
    without adapters as it is.

    Raises:
        ConfigError: for a checkpoint that is damaged, adapters whose base has changed or that other programs than this
            cannot load, and a folder that is there already.
    """
    integrity.check(checkpoint)
    adapted = (checkpoint / ADAPTER).is_file()
    if merge and not adapted:
        raise ConfigError([f"--merge: {checkpoint} holds all weights, and no adapters to merge; leave out --merge"])
    base = find(base_of(checkpoint), checkpoint) if adapted else None
    if base is not None and not merge and has_adapters(base.model):
        raise ConfigError(
            [f"{checkpoint}: its adapters stand on adapters, which no other program loads together; use --merge"]
        )
    with written_whole(folder) as partial:
        if merge:
            model = LocalModel(kind="local", path=str(checkpoint))
            policy = load_policy(model, 0, torch.device("cpu"), base=base, merged=True)
            policy.model.save_pretrained(partial)
            policy.tokenizer.save_pretrained(partial)
            return False
        shutil.copytree(checkpoint, partial, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*OURS))
        if base is not None:
            (partial / BASE).write_text(json.dumps(to_json(base, folder), indent=1) + "\n", encoding="utf-8")
            options = json.loads((partial / ADAPTER).read_text(encoding="utf-8"))
            options["base_model_name_or_path"], options["revision"] = name_for_others(base)
            (partial / ADAPTER).write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")
    return adapted


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, which becomes it once the block has ended well.

    Raises:
        ConfigError: if `folder` is there already, or cannot be written.
    """
    if os.path.lexists(folder):
        raise ConfigError([f"--to {folder}: exists and is never overwritten; choose another folder"])
    partial = folder.with_name(f".partial-{folder.name}")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)
    except Exception as error:
        if (why := file_fault(error)) is None:
            raise
        raise ConfigError([f"--to {folder}: {why}"]) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
