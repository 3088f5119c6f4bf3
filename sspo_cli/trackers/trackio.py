"""Trackio: a local database of runs with a dashboard; no account and no network."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import TrackioTracker
from sspo_cli.trackers.base import COLUMNS, Entry, Target
from sspo_cli.trackers.memory import NO_STEP, Memory

if TYPE_CHECKING:
    from trackio.run import Run


ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


@dataclass(frozen=True)
class TrackioSink:
    """run: trackio's own."""

    run: Run
    project: str

    def held(self, step: int) -> int:
        from trackio.sqlite_storage import SQLiteStorage

        if any(os.environ.get(name) for name in ELSEWHERE):
            return step  # what is sent to another machine is kept here until it has arrived
        last = SQLiteStorage.get_max_step_for_run(self.project, self.run.name)
        return NO_STEP if last is None else last

    def send(self, entry: Entry) -> None:
        import trackio

        content: dict[str, object] = dict(entry.values)
        if entry.samples:
            content["samples"] = trackio.Table(columns=list(COLUMNS), data=[list(row) for row in entry.samples])
        self.run.log(content, step=entry.step)

    def close(self, exit_code: int) -> list[str]:
        import trackio

        with redirect_stdout(io.StringIO()):
            trackio.finish()
        return [f"trackio run {self.run.name}: see it with `trackio show --project {self.project}`"]


def open_trackio(tracker: TrackioTracker, target: Target, memory: Memory) -> TrackioSink:
    import trackio

    try:
        with redirect_stdout(io.StringIO()):  # stdout is for results
            run = trackio.init(
                project=tracker.project,
                name=f"{target.name}-{memory.id}",  # trackio finds runs by name, and folders may share theirs
                group=target.group,
                config=dict(target.config),
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
    except (ValueError, OSError, sqlite3.Error) as error:
        raise ConfigError(
            [f"tracker=trackio tracker.project={tracker.project}: {' '.join(str(error).split())}"]
        ) from None
    return TrackioSink(run, tracker.project)
