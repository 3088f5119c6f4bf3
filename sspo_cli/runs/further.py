"""How a run goes on: what `sspo train --resume` can be told to change, and what that means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import is_under
from sspo_cli.runs.folder import checkpoints
from sspo_cli.runs.status import read_state
from sspo_cli.runs.text import replace_text

LENGTH = ("train.steps", "train.max_tokens", "train.max_minutes")
FREE = (*LENGTH, "engine")  # and every key of the engine, which changes no result beyond rounding


def way_on(folder: Path) -> str:
    """What there is to do about a run that has the name of another: to append to the problem."""
    if read_state(folder).word == "done":
        return f", or train it further with `sspo train --resume {folder} train.steps=N`"
    return f", or go on with `sspo train --resume {folder}`" if checkpoints(folder) else ""


def longer(folder: Path, settings: TrainConfig, words: Sequence[str]) -> TrainConfig:
    """The configuration of the run in `folder` with another length, or on another engine, as `words` ask for.

    Raises:
        ConfigError: for a setting that a run cannot change as it goes on, and for what is wrong with a value.
    """
    if not words:
        return settings
    refused = [word for word in words if not is_under(word.partition("=")[0], FREE)]
    if refused:
        raise ConfigError(
            [
                f"--resume {folder}: takes {', '.join(LENGTH)} and engine alone ({' '.join(refused)}); the rest goes on"
                " as it was started; begin another run with"
                f" `sspo train --config {folder}/config.yaml {' '.join(refused)}`"
            ]
        )
    asked = load_config(TrainConfig, words, base=folder / "config.yaml")
    names = [key.removeprefix("train.") for key in LENGTH]
    return replace(
        settings,
        train=replace(settings.train, **{name: getattr(asked.train, name) for name in names}),
        engine=asked.engine,
        choices={**settings.choices, "engine": asked.choices["engine"]},
    )


def no_checkpoint(folder: Path) -> str:
    """What `folder` is, where it is no run that can go on."""
    if (folder / "grid.json").is_file():
        return f"is a grid of runs; its own command goes on: `sh {folder}/command.sh`"
    if not folder.exists():
        return "no such folder, so no checkpoint; runs are folders such as outputs/train/NAME (`sspo runs` lists them)"
    return "no checkpoint there; runs are folders such as outputs/train/NAME (`sspo runs` lists them)"


def done_problem(folder: Path, old: TrainConfig, new: TrainConfig, step: int) -> str | None:
    """Why a run that is done, with its checkpoint of `step`, cannot go on; None if it can."""
    if new.train.steps > step and new.train != old.train:
        return None
    return (
        f"--resume {folder}: the run is done, with {step} steps; train it further with train.steps=N, N above {step},"
        f" or evaluate it with `sspo eval {folder}`"
    )


def schedule_notes(old: TrainConfig, new: TrainConfig, step: int) -> list[str]:
    """What another number of steps means for a learning rate that decays."""
    schedule = new.optim.schedule
    if schedule == "constant" or old.train.steps == new.train.steps:
        return []
    return [
        f"optim.schedule={schedule}: the schedule changes: from step {step + 1} on the learning rate decays over"
        f" {new.train.steps} steps, not {old.train.steps}, so this is not a run of train.steps={new.train.steps} from"
        " the beginning"
    ]


def write_settings(folder: Path, settings: TrainConfig) -> None:
    """config.yaml with the new length or engine, so that the run can be resumed again."""
    replace_text(folder / "config.yaml", to_yaml(settings))
