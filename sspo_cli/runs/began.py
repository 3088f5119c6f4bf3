"""What `sspo train --resume` makes sure of before it goes on: whole files, and nothing changed since the run began."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import load_config, to_dict
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrainConfig
from sspo_cli.config.tree import MISSING, differences, is_under, leaves
from sspo_cli.config.wording import show_value
from sspo_cli.runs import integrity, jsonl, manifest
from sspo_cli.runs.folder import checkpoints, numbered
from sspo_cli.runs.metric_rows import read_metrics
from sspo_cli.runs.settings import read_settings as read_written

# Settings that change no result, or that a run may change as it goes on; and paths, whose content is compared instead.
FREE = (
    *("engine", "tracker", "name", "output_dir", "model.attention"),
    *("train.save_every", "train.keep_checkpoints", "train.keep_best"),
    *("reward.workers", "reward.timeout_s", "reward.memory_gib", "reward.on_error"),
)
PATHS = ("dataset.path", "dataset.eval_path", "reward.path", "model.path")
# What checkpoints keep, so that another setting would not be heard; in words.
FIXED = {"lora": "adapters", "model.chat_template": "the chat template", "model.template_args": "the chat template"}

# Hashes that are compared, in words, and the settings that explain a change of them.
HASHES = {
    "training_content": ("training problems (prompts, answers, solutions)", ("dataset", "seed")),
    "evaluation_content": ("held-out problems (prompts, answers, solutions)", ("dataset", "eval.problems", "seed")),
    "rollout_draws": ("random numbers of rollouts", ("seed",)),
    "evaluation_draws": ("random numbers of evaluations", ("seed",)),
    "base": ("the model that adapters, or the reference policy, stand on", ("model", "objective.kl")),
}
# The same of a run of an earlier version, which wrote down nothing else that could be compared.
ORDER = {
    "data_order": ("the order of training problems", ()),
    "evaluation_problems": ("held-out problems", ()),
}
IN_WORDS: Mapping[str, tuple[str, tuple[str, ...]]] = {**HASHES, **ORDER}
REWARD_FILE = "reward file "
# Of the checkpoint as it is now, not as the run began.
OF_WEIGHTS = ("initial_weights", "tokenizer")


@dataclass(frozen=True)
class Change:
    """what: a key of config.yaml, or what a hash is of. old and new: its values, or hashes."""

    what: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.what not in IN_WORDS and not self.what.startswith(REWARD_FILE):
            return f"{self.what}: {show_value(self.old)} when the run began, {show_value(self.new)} now"
        old, new = (
            "not there" if sha == MISSING else f"SHA-256 {sha[: integrity.SHOWN]}..." for sha in (self.old, self.new)
        )
        return f"{IN_WORDS.get(self.what, (self.what,))[0]}: {old} when the run began, {new} now"

    def is_explained_by(self, keys: Sequence[str]) -> bool:
        """Whether it follows from a change of these settings."""
        causes = ("reward",) if self.what.startswith(REWARD_FILE) else HASHES.get(self.what, ("", ()))[1]
        return any(is_under(key, causes) for key in keys)


def read_settings(folder: Path) -> TrainConfig:
    """The configuration of a run, as its config.yaml says now.

    Raises:
        ConfigError: if that is missing, torn, or no configuration any more.
    """
    try:
        read_written(folder / "config.yaml")
    except ValueError as error:
        raise ConfigError([f"--resume {folder}: {error}"]) from error
    return load_config(TrainConfig, [], base=folder / "config.yaml")


def newest_whole(folder: Path) -> tuple[Path, dict[Path, list[str]]]:
    """The newest checkpoint that verifies, and what is wrong with the newer ones.

    Raises:
        ConfigError: naming what is wrong with each, if none does.
        BrokenFile: if the rows of the run cannot be cut there.
    """
    damaged: dict[Path, list[str]] = {}
    for checkpoint in reversed(checkpoints(folder)):
        found = integrity.damage(checkpoint)
        if not found:
            check_logs(folder, int(checkpoint.name.removeprefix("step_")))
            return checkpoint, damaged
        damaged[checkpoint] = found
    way_on = f"bring back what was saved, or begin anew with `sspo train --config {folder}/config.yaml`"
    named = [line for lines in damaged.values() for line in lines]
    raise ConfigError([f"--resume {folder}: no checkpoint is whole; {way_on}", *named])


def check_logs(folder: Path, step: int) -> None:
    """Check that the rows of a run, which goes on after `step`, can be cut there.

    Raises:
        BrokenFile: naming file and line.
    """
    for name in ("metrics", "samples", "eval"):
        jsonl.by_step(folder / f"{name}.jsonl", step)
    read_metrics(folder)


def set_aside(checkpoint: Path, faults: list[str], step: int) -> None:
    """Keep a damaged checkpoint under a name that no checkpoint has, and say so."""
    number = 1
    while (kept := checkpoint.with_name(numbered(f"damaged-{checkpoint.name}", number))).exists():
        number += 1
    for fault in faults:
        print(f"sspo: {fault}", file=sys.stderr)
    checkpoint.rename(kept)
    print(f"sspo: goes on from step {step}; the damaged checkpoint is kept as {kept}", file=sys.stderr)


class Began:
    """What a run stood on when it began, or when a change was last allowed: compared with what it would go on with."""

    def __init__(self, folder: Path, *, allow: bool, asked: Sequence[str] = ()) -> None:
        """asked: keys that the user changes as the run goes on. allow: any may have changed."""
        self.folder = folder
        self.allow = allow
        self.asked = asked
        self.manifest = manifest.read(folder)
        self.changes: list[Change] = []

    @property
    def is_known(self) -> bool:
        """Whether the run wrote that down."""
        return "settings" in self.manifest

    def remarks(self, checkpoint: Path) -> list[str]:
        """What cannot be told, because an earlier version did not write it down."""
        found = integrity.remarks(checkpoint)
        if not self.is_known:
            found.append(f"{self.folder}: began before runs wrote down what they stand on, so changes cannot be told")
        return found

    def check_settings(self, settings: TrainConfig) -> None:
        """Compare every key of config.yaml but those that may change."""
        if not self.manifest:
            self.compare({"manifest.json": "whole"}, {"manifest.json": "missing or torn"})
        if not self.is_known:
            return
        old, new = (
            {key: value for key, value in leaves(content) if not is_under(key, (*FREE, *PATHS))}
            for content in (self.manifest["settings"], to_dict(settings))
        )
        fixed = {key: what for key in differences(old, new) for root, what in FIXED.items() if is_under(key, [root])}
        if fixed:
            raise ConfigError(
                f"{Change(key, old.get(key, MISSING), new.get(key, MISSING))}, and the checkpoints hold {what} that the"
                f" run began with; begin a run that starts from one: `sspo train model=local model.path=CHECKPOINT"
                f" {key}={show_value(new.get(key))}`"
                for key, what in fixed.items()
            )
        self.compare(old, new)

    def check_hashes(self, found: Mapping[str, str]) -> None:
        """Compare some of `HASHES`."""
        if self.is_known:
            self.compare({name: self.manifest["hashes"].get(name, MISSING) for name in found}, found)

    def check_order(self, found: Mapping[str, str]) -> None:
        """Compare `ORDER`, of a run of an earlier version: held-out problems were chosen in other ways."""
        if not self.is_known:
            began: Mapping[str, str] = self.manifest.get("hashes", {})
            self.compare({name: began.get(name, sha) for name, sha in found.items()}, found)

    def check_reward(self, files: Mapping[str, str]) -> None:
        """Compare every file of a user's reward."""
        if self.is_known:
            began: Mapping[str, str] = self.manifest["reward_files"]
            old, new = ({REWARD_FILE + name: sha for name, sha in found.items()} for found in (began, files))
            self.compare(old, new)

    def compare(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Note what differs.

        Raises:
            ConfigError: a line for each difference that does not follow from another, unless changes are allowed.
        """
        known = [change.what for change in self.changes]
        found = [Change(key, old.get(key, MISSING), new.get(key, MISSING)) for key in differences(old, new)]
        self.changes += found
        left = [change for change in found if change.what not in self.asked and not change.is_explained_by(known)]
        if left and not self.allow:
            raise ConfigError(f"{change}; undo the change, or go on with it by --allow-change" for change in left)

    def record(self, standing: Mapping[str, Any], step: int) -> None:
        """Tell the changes that were allowed, and write them down with what the run stands on after `step`."""
        for change in self.changes:
            print(f"sspo: goes on with a change: {change}", file=sys.stderr)
        if not self.is_known:
            return
        at = datetime.now(UTC).isoformat(timespec="seconds")
        new = {name: sha for name, sha in standing["hashes"].items() if name not in OF_WEIGHTS}
        content = {
            **self.manifest,
            **standing,
            "hashes": {**self.manifest["hashes"], **new},
            "changes": [
                *self.manifest["changes"],
                *({**asdict(change), "after_step": step, "at": at} for change in self.changes),
            ],
        }
        manifest.write(self.folder, content)

    def elsewhere(self, settings: TrainConfig) -> list[str]:
        """That relative paths are read from another folder than they were, where that is why files are missing."""
        directory = Path(self.manifest.get("directory", ""))
        given = dict(leaves(to_dict(settings)))
        paths = [Path(given[key]) for key in PATHS if given.get(key)]
        if any(not path.exists() and (directory / path).exists() for path in paths):
            return [f"the run began in {directory}, from where its relative paths are read; go on from there"]
        return []
