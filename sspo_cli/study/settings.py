"""Configurations as flat settings: in which they differ, and a hash of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sspo_cli.config.compose import to_dict
from sspo_cli.config.earlier import LEFT_OUT
from sspo_cli.config.schema import EvalConfig
from sspo_cli.config.tree import FILLED_LATER, MISSING, leaves
from sspo_cli.config.wording import show_value

# How many cores and processes a cell has does not change what it is.
WITHOUT_RESULT = ("engine.threads", "reward.workers")


def settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every leaf of a resolved configuration by its dotted key, but for `WITHOUT_RESULT` and what is filled later."""
    found = {key: value for key, value in leaves(content) if key not in WITHOUT_RESULT}
    return {key: value for key, value in found.items() if key != FILLED_LATER or value is not None}


def settings_of(config: EvalConfig) -> dict[str, Any]:
    return settings(to_dict(config))


def identity(config: EvalConfig) -> str:
    """A hash of every setting: runs with one identity are the same run."""
    found = {key: value for key, value in settings_of(config).items() if LEFT_OUT.get(key, MISSING) != value}
    text = json.dumps(found, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shown(found: Mapping[str, Any], key: str) -> str:
    return str(show_value(found.get(key, MISSING)))
