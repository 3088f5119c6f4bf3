"""In which settings configurations differ, and a hash of the settings of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import EARLIER, EvalConfig
from sspo_cli.config.tree import FILLED_LATER, MISSING, leaves
from sspo_cli.config.wording import show_value
from sspo_cli.runs.settings import read_tree

# Parallel cells share the cores; how many of them a cell has does not change what it is.
WITHOUT_RESULT = ("engine.threads", "reward.workers")


def settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every leaf of a resolved configuration by its dotted key, but for `WITHOUT_RESULT` and what is filled later."""
    found = {key: value for key, value in leaves(content) if key not in WITHOUT_RESULT}
    return {key: value for key, value in found.items() if key != FILLED_LATER or value is not None}


def identity(config: EvalConfig) -> str:
    """A hash of every setting: runs with one identity are the same run."""
    found = {key: value for key, value in settings(to_dict(config)).items() if EARLIER.get(key) != value}
    text = json.dumps(found, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def written_settings(folder: Path) -> dict[str, Any] | None:
    """The settings in the config.yaml of `folder`; None if there is none that can be read."""
    try:
        return settings(read_tree(folder / "config.yaml"))
    except ValueError:
        return None


def shown(found: Mapping[str, Any], key: str) -> str:
    return str(show_value(found.get(key, MISSING)))
