"""Where metrics.jsonl is mirrored. The file in the run folder stays the truth; a mirror never ends a run."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrackerSection
from sspo_cli.engine.observer import Observer
from sspo_cli.runs.folder import title

if TYPE_CHECKING:
    import wandb

INIT_TIMEOUT_S = 30.0


class WandbMirror(Observer):
    """Rows to a Weights & Biases run; after a failure it says so once and stays silent."""

    def __init__(self, run: wandb.Run) -> None:
        self.run: wandb.Run | None = run

    def step(self, row: Mapping[str, Any]) -> None:
        if self.run is None:
            return
        try:
            self.run.log({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))
        except Exception as error:  # whatever a tracker throws, training goes on
            self.run = None
            print(f"wandb stopped mirroring at step {row.get('step')}: {error}", file=sys.stderr)

    def close(self, exit_code: int) -> None:
        if self.run is None:
            return
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            print(f"wandb could not close its run: {error}", file=sys.stderr)


def check_tracker(tracker: TrackerSection) -> list[str]:
    """What would keep the tracker from starting, one line per problem; asks nothing and contacts nobody."""
    if tracker.kind == "none" or tracker.mode == "offline":
        return []
    import wandb

    wandb.setup(settings=wandb.Settings(mode="online", silent=True))
    try:
        logged_in = wandb.login(prompt=False, verify=False)
    except wandb.Error as error:
        return [online_problem(error)]
    return [] if logged_in else [online_problem("not logged in to Weights & Biases")]


def open_tracker(tracker: TrackerSection, folder: Path, config: Mapping[str, Any]) -> list[Observer]:
    """What mirrors the run in `folder`, whose resolved configuration is `config`: nothing with tracker=none.

    Raises:
        ConfigError: if the tracker cannot start.
    """
    if tracker.kind == "none":
        return []
    if problems := check_tracker(tracker):
        raise ConfigError(problems)
    import wandb

    try:
        run = wandb.init(
            dir=folder,
            project=tracker.project,
            mode=tracker.mode or "online",
            name=title(folder),
            config=dict(config),
            settings=wandb.Settings(silent=True, console="off", init_timeout=INIT_TIMEOUT_S),
        )
    except wandb.Error as error:
        raise ConfigError([online_problem(error)]) from None
    return [WandbMirror(run)]


def online_problem(cause: object) -> str:
    reason = " ".join(str(cause).split())
    return f"tracker=wandb tracker.mode=online: {reason}; run `wandb login`, or set tracker.mode=offline"
