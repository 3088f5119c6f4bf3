"""Run what is left of a grid: look at every cell, make room, launch, watch, and say how it ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sspo_cli.config.compose import to_dict
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.grid.differ import settings, written_settings
from sspo_cli.grid.fairness import unfair_beginnings, unfair_settings
from sspo_cli.grid.follow import RUNNING, WAITING, Followed
from sspo_cli.grid.job import STOP, STOP_AT_ONCE
from sspo_cli.grid.launch import Interrupts, launch
from sspo_cli.grid.launcher import Launch
from sspo_cli.grid.request import Request
from sspo_cli.grid.screen import Screen, open_screen
from sspo_cli.grid.state import Finding, look, move_aside
from sspo_cli.runs.folder import get_status, set_status
from sspo_cli.runs.lock import is_held

TICK_S = 0.25


@dataclass(frozen=True)
class Outcome:
    """stopped: whether somebody asked for it. problem: what made the whole grid stop, in a line. cells: as they ended."""

    stopped: bool
    problem: str | None
    cells: list[Followed]


def find_left(folder: Path, request: Request, folders: Sequence[str]) -> list[Finding]:
    """What is to be done about every cell.

    Raises:
        ConfigError: with every cell that is at work, has other settings, or stood on something else than its peers.
    """
    findings, problems = [], []
    for cell, place in zip(request.cells, folders, strict=True):
        try:
            findings.append(look(folder / place, settings(to_dict(cell.config))))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    kept = [finding.todo in ("nothing", "resume") for finding in findings]
    if unfair := check_fair(folder, request, [place for place, keep in zip(folders, kept, strict=True) if keep]):
        raise ConfigError(unfair)
    return findings


def check_fair(folder: Path, request: Request, folders: Sequence[str]) -> list[str]:
    """Of a compare: in what the runs in these folders differ that they should have in common."""
    if request.kind != "compare":
        return []
    written = {place: written_settings(folder / place) or {} for place in folders}
    begun = {place: (int(found["seed"]), folder / place) for place, found in written.items() if "seed" in found}
    if not written:
        return []
    return unfair_settings(written, request.allowed) + unfair_beginnings(begun, request.allowed)


def run_left(
    folder: Path, request: Request, folders: Sequence[str], findings: Sequence[Finding], how: Launch, *, quiet: bool
) -> Outcome:
    """Run every cell that is not done, and return when nobody works on any of them."""
    cells = [
        Followed(cell, folder / place, request.section.metric)
        for cell, place in zip(request.cells, folders, strict=True)
    ]
    todo = [number for number, finding in enumerate(findings) if finding.todo != "nothing"]
    set_status(folder, "running")
    with (
        Interrupts() as interrupts,
        open_screen(f"{request.kind} {folder.name}", cells, how.at_once, quiet=quiet) as screen,
        Watch(folder, cells, todo, interrupts, screen) as watch,
    ):
        for number in todo:
            if findings[number].todo == "redo":
                kept = move_aside(folder, folders[number])
                screen.say(f"{folders[number]}: {findings[number].why}; begins anew, what was there is in {kept}")
        if todo:
            watch.launch(todo, how)
    return Outcome(interrupts.count > 0, watch.problem, cells)


class Watch:
    """A thread beside the launcher: reads how far the cells are, shows it, and passes on what should stop them."""

    def __init__(
        self, folder: Path, cells: Sequence[Followed], todo: Sequence[int], interrupts: Interrupts, screen: Screen
    ) -> None:
        self.folder = folder
        self.cells = cells
        self.todo = set(todo)
        self.interrupts = interrupts
        self.screen = screen
        self.problem: str | None = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        for number, cell in enumerate(self.cells):
            cell.look(untouched=number in self.todo)
        self.untouched = {number: get_status(self.cells[number].folder) for number in self.todo}
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.look()

    def launch(self, todo: Sequence[int], how: Launch) -> None:
        try:
            launch(self.folder, todo, how)
        except SystemExit:
            self.problem = self.problem or "the launcher failed; what it says stands above"
        # A launcher that ends early leaves its jobs to see for themselves that they should stop.
        while any(is_held(self.cells[number].folder) for number in todo):
            self.ask(STOP)
            self.over.wait(TICK_S)

    def watch(self) -> None:
        while not self.over.wait(TICK_S):
            self.look()
            self.problem = self.problem or self.missing_metric()
            count = self.interrupts.look()
            if count > 1:
                self.ask(STOP_AT_ONCE)
            elif count or self.problem:
                self.ask(STOP)

    def ask(self, status: str) -> None:
        """Tell every job what the grid should do."""
        now = get_status(self.folder)
        if now not in (status, STOP_AT_ONCE):
            set_status(self.folder, status)
            self.screen.say("stopping: every cell finishes its step and saves; Ctrl-C again to stop at once")

    def look(self) -> None:
        changed = []
        for number, cell in enumerate(self.cells):
            before = cell.state
            status = get_status(cell.folder)
            if self.untouched.get(number, status) != status:
                del self.untouched[number]
            cell.look(untouched=number in self.untouched)
            if cell.state != before:
                changed.append(cell)
        self.screen.changed(changed)

    def missing_metric(self) -> str | None:
        """Why the metric cannot be had, once a cell has written what there is: evaluations first, then a whole step."""
        for cell in self.cells:
            begun = cell.names and (cell.step > 0 or cell.metric.startswith("eval/"))
            if begun and cell.metric not in cell.names and cell.state in (RUNNING, WAITING):
                return f"{cell.metric}: no run has this metric{did_you_mean(cell.metric, cell.names)}"
        return None
