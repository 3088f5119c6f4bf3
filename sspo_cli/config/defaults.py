"""What a configuration has without a user's words: what `--dry-run` marks is everything else."""

from __future__ import annotations

from typing import Any

from sspo_cli.config.compose import as_composed, to_dict
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import leaves

CHOICE = "choices."
PRESET = "preset"  # its values are not those that a key has by itself


def changed(config: TrainConfig) -> dict[str, Any]:
    """Every key, and every choice as choices.GROUP, whose value in `config` is not its default; with the default, which
    is ??? where there is none. A choice that another one brings along is as it should be; a key of a chosen section has
    the default of that choice."""
    given = dict(leaves(to_dict(config)))
    usual = dict(leaves(as_composed([])))
    own = {group: choice for group, choice in config.choices.items() if usual.get(CHOICE + group) != choice}
    try:
        own = {group: choice for group, choice in own.items() if not brought(group, own)}
        chosen = dict(leaves(as_composed(words(own, without=PRESET))))
    except ConfigError:  # a replay of a choice that is not here
        chosen = {}
    found = {CHOICE + group: usual.get(CHOICE + group) for group in own}
    return found | {
        key: chosen[key]
        for key, value in given.items()
        if key in chosen and chosen[key] != value and not key.startswith(CHOICE)
    }


def brought(group: str, own: dict[str, str]) -> bool:
    """Whether the other choices bring this one along, as objective=grpo does its gate."""
    return bool(as_composed(words(own, without=group))["choices"].get(group) == own[group])


def words(choices: dict[str, str], *, without: str) -> list[str]:
    return [f"{group}={choice}" for group, choice in choices.items() if group != without]
