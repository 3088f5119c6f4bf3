"""Mirror a run afterwards, from the files in its folder."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sspo_cli.config.compose import to_dict
from sspo_cli.config.schema import TrackerConfig, TrainConfig
from sspo_cli.runs.eval_rows import EvalRow, read_evaluations
from sspo_cli.runs.metric_rows import read_metrics, step_of
from sspo_cli.trackers.base import entry_of
from sspo_cli.trackers.mirror import open_tracker


@dataclass(frozen=True)
class Pushed:
    """id: of the run there. sent: new rows. total: rows in metrics.jsonl. failed: whether the tracker gave up."""

    id: str
    sent: int
    total: int
    failed: bool


def push(folder: Path, config: TrainConfig, tracker: TrackerConfig) -> Pushed:
    """Send the rows of the run in `folder` that `tracker`, which is not none, has not got.

    Raises:
        ConfigError: if the tracker cannot start, or somebody else is sending this run.
    """
    rows = read_metrics(folder)
    samples: dict[int | None, list[EvalRow]] = defaultdict(list)
    for row in read_evaluations(folder):
        samples[row.step].append(row)
    (mirror,) = open_tracker(tracker, folder, to_dict(config))
    sent = 0
    try:
        sent = mirror.send_all(entry_of(row, samples.get(step_of(row), ())) for row in rows)
    finally:
        mirror.close(0)
    return Pushed(mirror.memory.id, sent, len(rows), mirror.failure is not None)
