"""A choice that there is not -> the words that say what was meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sspo_cli.config.fitting import section_of
from sspo_cli.config.hints.tables import CHOICES, OWN_CHOICES
from sspo_cli.config.locate import groups

OF_HUB = re.compile(r"[\w.-]+/[\w.-]+")
DATA_FILES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow")


def fix_choice(group: str, value: str) -> str:
    """What to write for GROUP=VALUE, such as model=hub model.path=gpt2; "" if that cannot be told.

    A value can be a choice in another spelling, the name of one in another tool, a path, or a name on the hub.
    """
    known = groups()[group]
    same = [name for name in known if squashed(name) == squashed(value)]
    if same:
        return f"{group}={same[0]}"
    if group in ("model", "dataset") and OF_HUB.fullmatch(value):
        for name in known:
            if section_of(group, name).get("path") == value:
                return f"{group}={name}"
    if written := CHOICES.get(group, {}).get(value.lower().replace("-", "_")):
        return written.format(value)
    if group == "model":
        return fix_model(value)
    if group == "dataset":
        return fix_dataset(value)
    if group == "reward" and value.endswith(".py"):
        return f"reward=python reward.path={value}"
    return ""


def fix_model(value: str) -> str:
    if is_path(value) or value.endswith(".gguf"):
        return f"model=local model.path={value}"
    return f"model=hub model.path={value}" if OF_HUB.fullmatch(value) else ""


def fix_dataset(value: str) -> str:
    if is_path(value) or value.endswith(DATA_FILES):
        return f"dataset=file dataset.path={value}"
    return f"dataset=hub dataset.path={value}" if OF_HUB.fullmatch(value) else ""


def fix_unlike(group: str, value: str) -> str:
    """What a value can mean that is like no choice, such as the name of a model on the hub; "" of most groups."""
    return OWN_CHOICES.get(group, "").format(value) if re.fullmatch(r"[\w.-]+", value) else ""


def is_path(value: str) -> bool:
    return value.startswith(("./", "../", "/", "~")) or (("/" in value or "." in value) and Path(value).exists())


def squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def choices_named(word: str) -> Sequence[str]:
    """GROUP=NAME for every group that has a choice of this name, in any spelling."""
    return [
        f"{group}={name}"
        for group, names in groups().items()
        for name in names
        if name == word or (len(word) > 2 and squashed(name) == squashed(word))
    ]
