"""`sspo samples`: what a run's model wrote, and what it was worth."""

from __future__ import annotations

from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.find import existing_run
from sspo_cli.runs.samples import by_change, by_reward, choose, pair_up
from sspo_cli.views.console import print_json
from sspo_cli.views.samples import print_pairs, print_samples


def run(
    word: str,
    *,
    worst: bool,
    best: bool,
    step: int | None,
    prompt: str | None,
    beside: str | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Print samples of the run `word`, or those of two runs side by side; worst and best change their order.

    Raises:
        ConfigError: if there is no such run, or nothing to show of it.
    """
    if worst and best:
        raise ConfigError(["--worst --best: ask for one of them"])
    folder = existing_run(word)
    rows: list[Any]
    if beside is None:
        name, samples = choose(folder, step, prompt)
        samples = by_reward(samples, worst=worst) if worst or best else samples
        rows = [item.as_json() for item in samples[:limit]]
    else:
        other = existing_run(beside)
        name, pairs = pair_up(folder, other, step, prompt)
        pairs = by_change(pairs, worst=worst) if worst or best else pairs
        rows = [{"a": one.as_json(), "b": two.as_json()} for one, two in pairs[:limit]]
    if as_json:
        print_json(rows)
    elif beside is None:
        print_samples(folder / name, samples, limit)
    else:
        print_pairs(name, pairs, limit, (folder, other))
    return 0
