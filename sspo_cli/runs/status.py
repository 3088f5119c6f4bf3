"""The state of a run: what its STATUS says, and whether anybody is left to change it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.guards import GuardStop, OutOfMemory, file_problem, no_space
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import get_status
from sspo_cli.runs.lock import is_held, other_host, signature
from sspo_cli.runs.text import BrokenFile

RUNNING, DIED, UNKNOWN = "running", "died", "unknown"
KEPT_WRITING = ("metrics.jsonl", "STATUS", "config.yaml", "summary.json")


@dataclass(frozen=True)
class State:
    """word: running, done, interrupted, failed, died, not started, or unknown. why: what else there is to say of it."""

    word: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


def read_state(folder: Path) -> State:
    """The state of the run in `folder`: everybody who asks, asks here.

    Of a run in a format that this version does not read it is unknown; what it holds is refused by those who read it.
    A run whose STATUS says running has died if nobody holds its lock: its process was killed, or ended itself. A lock
    need not reach other machines, so a run that was begun on one counts as running there.
    """
    try:
        run_format.check(folder)
    except run_format.UnreadableFormat as error:
        return State(UNKNOWN, error.problems[0].removeprefix(f"{folder}: "))
    while True:
        owner, said = signature(folder), say(folder)
        if said.word != RUNNING:
            return said
        host = other_host(folder)
        if host is not None:
            minutes = max(0.0, time.time() - last_change(folder)) / 60
            return State(RUNNING, f"on {host}, wrote {minutes:.0f} min ago")
        if is_held(folder):
            return said
        # A run signs its lock, then writes STATUS, and releases the lock last. One that came or went meanwhile shows
        # here, where STATUS is read before the signature: look again.
        if say(folder) == said and signature(folder) == owner:
            return State(DIED, "its process ended without an exit status")


def status_after(error: BaseException) -> str:
    """What STATUS says of a run that `error` ended."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, GuardStop | OutOfMemory):
        return f"failed: {error}"
    if line := no_space(error) or file_problem(error):
        return f"failed: {line}"
    why = error.problems[0] if isinstance(error, ConfigError) else f"{type(error).__name__}: {error}"
    return f"failed: {why}".split("\n")[0]


def say(folder: Path) -> State:
    """What STATUS says."""
    try:
        word, _, why = get_status(folder).partition(": ")
    except BrokenFile as error:
        return State(UNKNOWN, str(error).removeprefix(f"{folder}/"))
    return State(word, why)


def last_change(folder: Path) -> float:
    """When a run wrote last, in seconds since the epoch; of the folder itself while it has no file."""
    times = [time for time in map(changed, (folder / name for name in KEPT_WRITING)) if time is not None]
    return max(times, default=changed(folder) or 0.0)


def changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
