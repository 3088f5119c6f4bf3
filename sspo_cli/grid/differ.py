"""In which settings configurations differ, and a hash of the settings of one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sspo_cli.config.compose import to_dict
from sspo_cli.config.literal import unescaped
from sspo_cli.config.schema import EARLIER, EvalConfig
from sspo_cli.config.wording import show_value

# Null until a run begins; runs of one grid begin with the grid's.
FILLED_LATER = "prompt_time"
# Parallel cells share the cores; how many of them a cell has does not change what it is.
WITHOUT_RESULT = ("engine.threads",)
MISSING = "not set"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every leaf of a resolved configuration by its dotted key, but for `WITHOUT_RESULT` and what is filled later."""
    found = {key: value for key, value in leaves(content, "") if key not in WITHOUT_RESULT}
    return {key: value for key, value in found.items() if key != FILLED_LATER or value is not None}


def leaves(content: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def identity(config: EvalConfig) -> str:
    """A hash of every setting: runs with one identity are the same run."""
    found = {key: value for key, value in settings(to_dict(config)).items() if EARLIER.get(key) != value}
    text = json.dumps(found, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def written_settings(folder: Path) -> dict[str, Any] | None:
    """The settings in the config.yaml of `folder`; None if there is none that can be read."""
    try:
        content = unescaped(yaml.load((folder / "config.yaml").read_text(encoding="utf-8"), Loader=LOADER))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return settings(content) if isinstance(content, dict) else None


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two sets of settings differ, sorted. One that is filled later has no other value until then;
    what earlier versions left out has the value that it had then."""
    keys = one.keys() | other.keys()
    if FILLED_LATER not in one.keys() & other.keys():
        keys -= {FILLED_LATER}
    unset = {key: EARLIER.get(key, MISSING) for key in keys}
    return sorted(key for key in keys if one.get(key, unset[key]) != other.get(key, unset[key]))


def shown(found: Mapping[str, Any], key: str) -> str:
    return str(show_value(found.get(key, MISSING)))


def is_under(key: str, roots: Iterable[str]) -> bool:
    """Whether `key` is one of `roots` or below one. The choice of a group counts as the section that it fills."""
    dotted = key.removeprefix("choices.").replace("/", ".")
    return any(f"{dotted}.".startswith(f"{root.replace('/', '.')}.") for root in roots)
