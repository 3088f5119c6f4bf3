"""What sets two runs apart: their settings, what they stood on, what they reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import manifest
from sspo_cli.runs.record import Record, flat, read_config, read_record

Pair = tuple[Any, Any]
Figures = Mapping[str, float | None]

# Of manifest.json; of the base, hashes.base tells whether it is the same.
TOLD_BY_SETTINGS = ("seed", "settings", "directory", "base")


PROMPTS = "prompt_tokens"


class Absent:
    """Stands for a value that one side does not have; it is not null, which is a value."""


ABSENT = Absent()


@dataclass(frozen=True)
class Side:
    """One of the two. settings: choices and settings by key. manifest: by dotted key. record: None of a mere file."""

    path: Path
    settings: dict[str, Any]
    manifest: dict[str, Any]
    record: Record | None


def read_side(path: Path) -> Side:
    """What a run folder or a config.yaml file says.

    Raises:
        ConfigError: if there is no configuration to compare.
    """
    file = path if path.is_file() else path / "config.yaml"
    try:
        choices, config = read_config(file)
    except ValueError as error:
        raise ConfigError([f"{path}: {error}; give a run folder or the config.yaml of one"]) from error
    if path.is_file():
        return Side(path, {**choices, **config}, {}, None)
    return Side(path, {**choices, **config}, read_manifest(path), read_record(path))


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json by dotted key, but for settings and places; nothing where it is missing or torn."""
    told = {key: value for key, value in manifest.read(folder).items() if key not in TOLD_BY_SETTINGS}
    return dict(flat(told))


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Pair]:
    """Every key at which two mappings differ, with both values; keys of one section stand together."""
    keys = list(dict.fromkeys([*a, *b]))
    places: dict[str, int] = {}
    for place, key in enumerate(keys):
        places.setdefault(key.rpartition(".")[0], place if "." in key else 0)
    keys.sort(key=lambda key: places[key.rpartition(".")[0]])
    pairs = {key: (a.get(key, ABSENT), b.get(key, ABSENT)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def setting_differences(a: Side, b: Side) -> dict[str, Pair]:
    """The settings that differ. The time that prompts were rendered at is no difference where the prompts are equal."""
    found = differences(a.settings, b.settings)
    if PROMPTS in same_hashes(a.manifest, b.manifest):
        found.pop("prompt_time", None)
    return found


def same_hashes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What both runs started from alike, by content."""
    return [key.removeprefix("hashes.") for key in a if key.startswith("hashes.") and a[key] == b.get(key, ABSENT)]


def metric_pairs(a: Side, b: Side) -> dict[str, tuple[Figures | None, Figures | None]]:
    """{"first", "best", "last"} of every metric that either run has measured, and of the minutes spent."""
    sides = [figures_of(side) for side in (a, b)]
    names = sorted({name for side in sides for name in side})
    return {name: (sides[0].get(name), sides[1].get(name)) for name in names}


def figures_of(side: Side) -> dict[str, Figures]:
    if side.record is None:
        return {}
    minutes = side.record.minutes
    spent = {} if minutes is None else {"minutes": dict.fromkeys(("first", "best", "last"), minutes)}
    return {**side.record.figures, **spent}
