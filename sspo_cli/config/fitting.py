"""What the file of a choice says by itself: its keys, and of a dataset the reward that fits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from sspo_cli.config.locate import choice_file, shipped
from sspo_cli.config.tree import load_yaml

REWARD = "override /reward@_global_.reward"


def section_of(group: str, name: str) -> dict[str, Any]:
    """The keys of a choice, with those of the choices of its group that it starts from; later ones count."""
    found: dict[str, Any] = {}
    for content in contents(group, name):
        found |= content
    return {key: value for key, value in found.items() if key != "defaults"}


def fitting_reward(dataset: str) -> str | None:
    """The reward that a choice of conf/dataset names in its defaults, or one that it starts from; None if none does."""
    named = [
        entry[REWARD]
        for content in contents("dataset", dataset)
        for entry in content.get("defaults", [])
        if isinstance(entry, dict) and REWARD in entry
    ]
    return str(named[-1]) if named else None


def usual_reward(dataset: str) -> str:
    """The reward of a run with this dataset, where nobody chooses one."""
    defaults = load_yaml((shipped("conf") / "train.yaml").read_text(encoding="utf-8"))["defaults"]
    return fitting_reward(dataset) or next(str(entry["reward"]) for entry in defaults if "reward" in entry)


def contents(group: str, name: str) -> Iterator[Mapping[str, Any]]:
    """The file of a choice behind the files of its group in its `defaults`; nothing where there is no such choice, or
    where its file cannot be read, which is told when it is composed."""
    file = choice_file(group, name)
    try:
        content = load_yaml(file.read_text(encoding="utf-8")) if file else None
    except (yaml.YAMLError, UnicodeDecodeError):
        return
    if not isinstance(content, dict):
        return
    for entry in content.get("defaults", []):
        if isinstance(entry, str) and entry != "_self_":
            yield from contents(group, entry)
    yield content
