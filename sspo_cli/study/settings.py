"""Configurations as flat settings: in which they differ, and a hash of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import EvalConfig
from sspo_cli.config.wording import show_value

# Null until a run begins; runs of one grid begin with the grid's.
FILLED_LATER = "prompt_time"
# Parallel cells share the cores; how many of them a cell has does not change what it is.
WITHOUT_RESULT = ("engine.threads",)
MISSING = "not set"


def settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every leaf of a resolved configuration by its dotted key, but for `WITHOUT_RESULT` and what is filled later."""
    found = {key: value for key, value in leaves(content, "") if key not in WITHOUT_RESULT}
    return {key: value for key, value in found.items() if key != FILLED_LATER or value is not None}


def settings_of(config: EvalConfig) -> dict[str, Any]:
    return settings(to_dict(config))


def leaves(content: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    """Every leaf by its dotted key; an empty mapping is a leaf."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def identity(config: EvalConfig) -> str:
    """A hash of every setting: runs with one identity are the same run."""
    text = json.dumps(settings_of(config), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two sets of settings differ, sorted. One that is filled later has no other value until then."""
    keys = one.keys() | other.keys()
    if FILLED_LATER not in one.keys() & other.keys():
        keys -= {FILLED_LATER}
    return sorted(key for key in keys if one.get(key, MISSING) != other.get(key, MISSING))


def shown(found: Mapping[str, Any], key: str) -> str:
    return str(show_value(found.get(key, MISSING)))


def is_under(key: str, roots: Iterable[str]) -> bool:
    """Whether `key` is one of `roots` or below one. The choice of a group counts as the section that it fills."""
    dotted = key.removeprefix("choices.").replace("/", ".")
    return any(f"{dotted}.".startswith(f"{root.replace('/', '.')}.") for root in roots)
