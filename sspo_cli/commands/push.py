"""`sspo runs push RUN`: mirror a run to a tracker afterwards."""

from __future__ import annotations

import os
from pathlib import Path

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs.folder import is_run
from sspo_cli.runs.settings import read_settings

TRACKERS = ("wandb", "trackio", "tensorboard")


def run(folder: Path, words: list[str], *, to: str | None) -> int:
    """Send what is new; 1 if the tracker gave up. to: the tracker; None is that of the run's configuration.

    Raises:
        ConfigError: for anything wrong with the request; nothing has been sent then.
    """
    config = configuration(folder, words, to)
    from sspo_cli.trackers.push import push

    pushed = push(folder, config, config.tracker)
    print(f"{folder}: sent {pushed.sent} of {pushed.total} rows to {config.tracker.kind} run {pushed.id}", end="")
    there = pushed.total - pushed.sent
    print("" if pushed.failed or not there else f"; {'the other ' if pushed.sent else ''}{there} were there already")
    return 1 if pushed.failed else 0


def configuration(folder: Path, words: list[str], to: str | None) -> TrainConfig:
    """That of the run, with the tracker that is asked for."""
    if not is_run(folder):
        raise ConfigError([f"{folder}: not a train run; runs are folders such as outputs/train/NAME"])
    allowed = ", ".join(TRACKERS)
    if to is not None and to not in TRACKERS:
        raise ConfigError([f"--to {to}: no such tracker{did_you_mean(to, TRACKERS)} (allowed: {allowed})"])
    problems = [f"{word}: sets no key of the tracker; write tracker.KEY=VALUE" for word in words if not is_key(word)]
    if not os.access(folder, os.W_OK):
        problems.append(f"{folder}: cannot write there, where sspo keeps what it has sent")
    try:
        choices, _ = read_settings(folder / "config.yaml")
    except ValueError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError(problems)
    own = choices.get("tracker")
    if to is None and own in (None, "none"):
        raise ConfigError([f"{folder}: was mirrored to no tracker; say which with --to ({allowed})"])
    choice = [f"tracker={to}"] if to not in (None, own) else []
    return load_config(TrainConfig, [*choice, *words], base=folder / "config.yaml", rules=lambda config: [])


def is_key(word: str) -> bool:
    return word.startswith("tracker.") and "=" in word
