"""Nested configurations as data: the one loader of YAML, the one flattener, and in which keys two of them differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from sspo_cli.config.earlier import LEFT_OUT

# libyaml reads a configuration ten times as fast, where PyYAML was built with it.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MISSING = "not set"
# Null until a run begins; runs of one grid begin with the grid's.
FILLED_LATER = "prompt_time"


def load_yaml(text: str, *, as_text: bool = False) -> Any:
    """The content of a YAML document. as_text: every scalar as the text that it is, for YAML 1.1 reads `on` as true.

    Raises:
        yaml.YAMLError: if it is none.
    """
    return yaml.load(text, Loader=yaml.BaseLoader if as_text else LOADER)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings by its dotted key, in order; an empty mapping has none."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The keys in which two flat settings differ, sorted. One that is filled later has no other value until then;
    what earlier versions left out has the value that it had then."""
    keys = one.keys() | other.keys()
    if FILLED_LATER not in one.keys() & other.keys():
        keys -= {FILLED_LATER}
    unset = {key: LEFT_OUT.get(key, MISSING) for key in keys}
    return sorted(key for key in keys if one.get(key, unset[key]) != other.get(key, unset[key]))


def is_under(key: str, roots: Iterable[str]) -> bool:
    """Whether `key` is one of `roots` or below one. The choice of a group counts as the section that it fills."""
    dotted = key.removeprefix("choices.").replace("/", ".")
    return any(f"{dotted}.".startswith(f"{root.replace('/', '.')}.") for root in roots)
