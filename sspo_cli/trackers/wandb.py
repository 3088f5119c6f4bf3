"""Weights & Biases: one run for every session, and offline one folder for each, which one command joins."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import WandbTracker
from sspo_cli.trackers.base import COLUMNS, Entry, Target
from sspo_cli.trackers.memory import NO_STEP, Memory
from sspo_cli.trackers.wandb_file import steps_in

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline"]
INIT_TIMEOUT_S = 30.0
VARIABLE = "WANDB_MODE"


def mode_of(tracker: WandbTracker) -> Mode:
    """tracker.mode, else WANDB_MODE, else online.

    Raises:
        ConfigError: if WANDB_MODE is something else.
    """
    if tracker.mode is not None:
        return tracker.mode
    asked = os.environ.get(VARIABLE) or "online"
    for mode in get_args(Mode):
        if asked == mode:
            return cast(Mode, mode)
    raise ConfigError(
        [f"{VARIABLE}={asked}: tracker=wandb knows online and offline; set one of them, or tracker=none for no mirror"]
    )


def check(tracker: WandbTracker) -> list[str]:
    """What would keep it from starting; asks nothing and contacts nobody."""
    try:
        if mode_of(tracker) == "offline":
            return []
    except ConfigError as error:
        return list(error.problems)
    import wandb

    wandb.setup(settings=wandb.Settings(mode="online", silent=True))
    try:
        logged_in = wandb.login(prompt=False, verify=False)
    except wandb.Error as error:
        return [online_problem(error)]
    return [] if logged_in else [online_problem("not logged in to Weights & Biases")]


def online_problem(cause: object) -> str:
    reason = " ".join(str(cause).split())
    return f"tracker=wandb tracker.mode=online: {reason}; run `wandb login`, or set tracker.mode=offline"


@dataclass(frozen=True)
class WandbSink:
    """run: wandb's own. folder: of the run that is mirrored."""

    run: wandb.Run
    folder: Path
    mode: Mode

    def held(self, step: int) -> int:
        if self.mode == "online":
            return self.run.step - 1 if self.run.resumed else NO_STEP
        files = [file for part in offline_parts(self.folder, self.run.id) for file in part.glob("run-*.wandb")]
        return max((step for file in files for step in steps_in(file)), default=NO_STEP)

    def send(self, entry: Entry) -> None:
        import wandb

        content: dict[str, object] = dict(entry.values)
        if entry.samples:
            rows = [list(row) for row in entry.samples]
            content["samples"] = wandb.Table(columns=list(COLUMNS), data=rows, allow_mixed_types=True)
        self.run.log(content, step=entry.step)

    def close(self, exit_code: int) -> list[str]:
        self.run.finish(exit_code=exit_code)
        parts = offline_parts(self.folder, self.run.id)
        if not parts:
            return []
        count = "is in one folder" if len(parts) == 1 else f"is in {len(parts)} folders, of steps that do not overlap"
        return [f"wandb run {self.run.id} {count}; where there is a network: {joining(self.run.id, parts)}"]


def offline_parts(folder: Path, id: str) -> list[Path]:
    """The folders of the offline run `id`, oldest first."""
    return sorted(folder.glob(f"wandb/offline-run-*-{id}"))


def joining(id: str, parts: list[Path]) -> str:
    """The command that sends all parts as one run, in the order of their start."""
    return shlex.join(["wandb", "sync", "--id", id, *map(str, parts)])


def open_wandb(tracker: WandbTracker, target: Target, memory: Memory) -> WandbSink:
    mode = mode_of(tracker)
    if tracker.mode is None and mode == "offline":
        print(f"sspo: {VARIABLE}=offline: wandb writes to {target.folder / 'wandb'} alone", file=sys.stderr)
    import wandb

    try:
        run = wandb.init(
            dir=target.folder,
            project=memory.project,
            mode=mode,
            id=memory.id,
            resume="allow" if mode == "online" else None,  # offline there is nothing to resume: parts are joined later
            name=target.name,
            group=target.group,
            config=dict(target.config),
            settings=wandb.Settings(silent=True, console="off", init_timeout=INIT_TIMEOUT_S),
        )
    except wandb.Error as error:
        if mode == "offline":
            raise ConfigError([f"tracker=wandb tracker.mode=offline: {' '.join(str(error).split())}"]) from None
        raise ConfigError([online_problem(error)]) from None
    return WandbSink(run, target.folder, mode)
