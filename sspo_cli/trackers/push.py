"""Mirror a run afterwards, from the files in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sspo_cli.config.compose import to_dict
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import NoTracker, TrackerConfig, TrainConfig
from sspo_cli.runs.metric_rows import read_metrics, step_of
from sspo_cli.trackers.memory import recall
from sspo_cli.trackers.mirror import open_tracker, project_of


@dataclass(frozen=True)
class Pushed:
    """id: of the run there. sent: new rows. total: rows in metrics.jsonl. failed: whether the tracker gave up."""

    id: str
    sent: int
    total: int
    failed: bool = False


def push(folder: Path, config: TrainConfig, tracker: TrackerConfig) -> Pushed:
    """Send the rows of the run in `folder` that `tracker` has not got. Where there are none, nothing is opened.

    Raises:
        ConfigError: if the tracker cannot start, somebody else is sending this run, or its files cannot be read.
    """
    if isinstance(tracker, NoTracker):
        raise ConfigError(["tracker=none: there is nothing to send to"])
    memory = recall(folder, tracker.kind, project_of(tracker))
    rows = read_metrics(folder)
    if memory.sure == memory.step and all(step_of(row) <= memory.step for row in rows):
        return Pushed(memory.id, 0, len(rows))
    (mirror,) = open_tracker(tracker, folder, to_dict(config))
    try:
        sent = mirror.catch_up()
    finally:
        mirror.close(0)
    return Pushed(mirror.memory.id, sent, len(rows), mirror.failure is not None)
