"""`sspo selftest`: the laws of an objective, asked of every one there is, a user's own included."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import ObjectiveConfig, TrainConfig
from sspo_cli.views.display import phases


def run(words: Sequence[str], *, as_json: bool) -> int:
    """Print the table; exit code 1 if a law is broken or an objective does not compose.

    Raises:
        ConfigError: for an unknown name, or if no objective composes.
    """
    start = time.monotonic()
    names, overrides = read(words)
    composed = {name: compose(name, overrides) for name in names}
    if all(isinstance(found, ConfigError) for found in composed.values()):
        problems = [line for found in composed.values() if isinstance(found, ConfigError) for line in found.problems]
        raise ConfigError(dict.fromkeys(problems))
    from sspo_cli.commands.selftest_screen import ask, print_rows, rows_to_json

    rows = []
    with phases(quiet=False) as progress:
        for done, (name, found) in enumerate(composed.items()):
            progress(f"laws of {len(names)} objectives", done, len(names))
            rows.append(ask(name, found))
    if as_json:
        rows_to_json(rows)
    else:
        print_rows(rows, time.monotonic() - start)
    return 1 if any(row.failures for row in rows) else 0


def read(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The objectives to ask, all of them unless some are named, and the overrides for each.

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


def compose(name: str, overrides: Sequence[str]) -> ObjectiveConfig | ConfigError:
    """The configuration of one objective, or why there is none: the others are asked all the same."""
    try:
        return load_config(TrainConfig, [f"objective={name}", *overrides], rules=objective_problems).objective
    except ConfigError as error:
        return error
