"""The default values of keys, as the shipped configuration files give them."""

from __future__ import annotations

from functools import cache
from typing import Any

from sspo_cli.config.locate import shipped
from sspo_cli.config.tree import MISSING, leaves, load_yaml


@cache
def usual_values(key: str) -> tuple[Any, ...]:
    """What the roots and presets of conf/ give the dotted `key`."""
    conf = shipped("conf")
    files = sorted([*conf.glob("*.yaml"), *(conf / "preset").glob("*.yaml")])
    found = [dict(leaves(load_yaml(file.read_text(encoding="utf-8")) or {})).get(key, MISSING) for file in files]
    return tuple(value for value in found if value != MISSING)
