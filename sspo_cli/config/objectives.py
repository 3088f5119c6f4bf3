"""Objectives by name, each composed with the same overrides, as `sspo show` and `sspo selftest` take them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import ObjectiveConfig, TrainConfig


def compose_objective(name: str, overrides: Sequence[str]) -> TrainConfig:
    """A training configuration with objective `name`; only its objective is checked and read.

    Raises:
        ConfigError: with one line for every problem.
    """
    return load_config(TrainConfig, [f"objective={name}", *overrides], rules=objective_problems)


def compose_all(names: Sequence[str], overrides: Sequence[str]) -> dict[str, ObjectiveConfig | ConfigError]:
    """Each objective, or why there is none.

    Raises:
        ConfigError: with every problem, if there is none at all.
    """
    found = {name: compose_or_error(name, overrides) for name in names}
    errors = [item for item in found.values() if isinstance(item, ConfigError)]
    if len(errors) == len(found):
        raise ConfigError(dict.fromkeys(line for error in errors for line in error.problems))
    return found


def compose_or_error(name: str, overrides: Sequence[str]) -> ObjectiveConfig | ConfigError:
    try:
        return compose_objective(name, overrides).objective
    except ConfigError as error:
        return error


def override_problems(overrides: Sequence[str], *, named: bool) -> list[str]:
    """What is wrong with overrides where only the settings of objectives can be changed. named: whether one is."""
    if overrides and not named:
        return [
            f"'{overrides[0]}': only the settings of a named objective can be changed here:"
            " `sspo show objective sspo objective.gate.tau_pos=5`"
        ]
    return [
        f"'{word}': not a setting of an objective; those begin with objective. or objective/"
        for word in overrides
        if not re.match(r"[+~]*objective[./]", word)
    ]


def split_words(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The objectives named in `words`, all of them unless some are named, and the overrides for each.

    Raises:
        ConfigError: for an unknown name.
    """
    known = groups()["objective"]
    names = list(dict.fromkeys(word for word in words if "=" not in word))
    overrides = [word for word in words if "=" in word]
    allowed = f"(allowed: {', '.join(known)}; see `sspo show objective`)"
    problems = [
        f"unknown objective '{name}'{did_you_mean(name, known)} {allowed}" for name in names if name not in known
    ]
    problems += [
        f"'{word}': objectives are named alone here: sspo selftest {' '.join(word.partition('=')[2].split(','))}"
        for word in overrides
        if word.startswith("objective=")
    ]
    if problems:
        raise ConfigError(problems)
    return names or known, overrides
