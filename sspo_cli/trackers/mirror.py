"""Where metrics.jsonl is mirrored. The file in the run folder stays the truth; a mirror never ends a run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import missing_package
from sspo_cli.config.schema import NoTracker, TensorboardTracker, TrackerConfig, TrackioTracker, WandbTracker
from sspo_cli.trackers.base import Mirror, Opener, Target
from sspo_cli.trackers.memory import recall


def check_tracker(tracker: TrackerConfig, folder: Path | None = None) -> list[str]:
    """What would keep the tracker from starting, one line per problem; asks nothing and contacts nobody.

    folder: of a run that goes on, whose memory of what was sent is read too.
    """
    if isinstance(tracker, NoTracker):
        return []
    if problems := missing_package(tracker):
        return problems
    if isinstance(tracker, WandbTracker):
        from sspo_cli.trackers.wandb import check

        problems += check(tracker)
    if folder is not None:
        try:
            recall(folder, tracker.kind, project_of(tracker))
        except ConfigError as error:
            problems += error.problems
    return problems


def open_tracker(tracker: TrackerConfig, folder: Path, config: Mapping[str, Any]) -> list[Mirror]:
    """What mirrors the run in `folder`, whose resolved configuration is `config`: nothing with tracker=none.

    Raises:
        ConfigError: if the tracker cannot start.
    """
    if isinstance(tracker, NoTracker):
        return []
    if problems := check_tracker(tracker):
        raise ConfigError(problems)
    memory = recall(folder, tracker.kind, project_of(tracker))
    return [Mirror(tracker.kind, Target(folder, config), memory, opener_of(tracker))]


def opener_of(tracker: WandbTracker | TrackioTracker | TensorboardTracker) -> Opener:
    if isinstance(tracker, WandbTracker):
        from sspo_cli.trackers.wandb import open_wandb

        return partial(open_wandb, tracker)
    if isinstance(tracker, TrackioTracker):
        from sspo_cli.trackers.trackio import open_trackio

        return partial(open_trackio, tracker)
    from sspo_cli.trackers.tensorboard import open_tensorboard

    return open_tensorboard


def project_of(tracker: WandbTracker | TrackioTracker | TensorboardTracker) -> str | None:
    return None if isinstance(tracker, TensorboardTracker) else tracker.project
