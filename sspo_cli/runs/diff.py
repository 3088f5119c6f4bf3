"""What sets two runs apart: their settings, what they stood on, what they reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.tree import leaves
from sspo_cli.runs import manifest
from sspo_cli.runs.find import existing_run
from sspo_cli.runs.record import Record, read_record
from sspo_cli.runs.settings import read_settings

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


@dataclass(frozen=True)
class Diff:
    """What sets b apart from a. manifest: None where one side has none. same_hashes: what both started from alike."""

    a: Side
    b: Side
    settings: dict[str, Pair]
    manifest: dict[str, Pair] | None
    same_hashes: list[str]
    metrics: dict[str, tuple[Figures | None, Figures | None]]

    def as_json(self) -> dict[str, Any]:
        return {
            "a": str(self.a.path),
            "b": str(self.b.path),
            "settings": {key: to_json(pair) for key, pair in self.settings.items()},
            "manifest": None if self.manifest is None else {key: to_json(pair) for key, pair in self.manifest.items()},
            "same_hashes": self.same_hashes,
            "metrics": {
                name: {"a": one, "b": other, "difference": difference(one, other, "last")}
                for name, (one, other) in self.metrics.items()
            },
        }


def compare_runs(a: str, b: str) -> Diff:
    """What differs between two run folders or config.yaml files, as they were named.

    Raises:
        ConfigError: with everything that is wrong with either.
    """
    one, other = all_or_problems(lambda: read_side(path_of(a)), lambda: read_side(path_of(b)))
    return Diff(
        one,
        other,
        settings=setting_differences(one, other),
        manifest=differences(one.manifest, other.manifest) if one.manifest and other.manifest else None,
        same_hashes=same_hashes(one.manifest, other.manifest),
        metrics=metric_pairs(one, other),
    )


def path_of(word: str) -> Path:
    return Path(word) if Path(word).is_file() else existing_run(word)


def to_json(pair: Pair) -> dict[str, Any]:
    """Both values; a side that has none has no key."""
    return {name: value for name, value in zip(("a", "b"), pair, strict=True) if value is not ABSENT}


def difference(a: Figures | None, b: Figures | None, part: str) -> float | None:
    """What b has more than a; None where one of them has no value."""
    one, other = (figures.get(part) if figures else None for figures in (a, b))
    return None if one is None or other is None else other - one


def read_side(path: Path) -> Side:
    """What a run folder or a config.yaml file says.

    Raises:
        ConfigError: if there is no configuration to compare.
    """
    file = path if path.is_file() else path / "config.yaml"
    try:
        choices, config = read_settings(file)
    except ValueError as error:
        raise ConfigError([f"{path}: {error}; give a run folder or the config.yaml of one"]) from error
    if path.is_file():
        return Side(path, {**choices, **config}, {}, None)
    return Side(path, {**choices, **config}, read_manifest(path), read_record(path))


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json by dotted key, but for settings and places; nothing where it is missing or torn."""
    told = {key: value for key, value in manifest.read(folder).items() if key not in TOLD_BY_SETTINGS}
    return dict(leaves(told))


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
