"""Run what is left of a grid: look at every cell, make room, launch, watch."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sspo_cli.config.compose import to_dict
from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.grid.differ import settings, written_settings
from sspo_cli.grid.fairness import unfair_beginnings, unfair_settings
from sspo_cli.grid.follow import DONE, INTERRUPTED, Followed
from sspo_cli.grid.job import STOP, STOP_AT_ONCE
from sspo_cli.grid.launch import Interrupts, launch
from sspo_cli.grid.launcher import Launch
from sspo_cli.grid.request import Request
from sspo_cli.grid.screen import Screen, open_screen
from sspo_cli.grid.state import Finding, look, move_aside
from sspo_cli.runs.folder import get_status, set_status
from sspo_cli.runs.lock import holder, is_held

TICK_S = 0.25


@dataclass(frozen=True)
class Grid:
    """A request and where it lives. cells: in the order of the request, as they were last seen."""

    request: Request
    folder: Path
    cells: list[Followed]


@dataclass(frozen=True)
class Outcome:
    """stopped: whether somebody asked for it. problems: what else made the grid stop, in lines."""

    stopped: bool
    problems: list[str]


def find_left(grid: Grid) -> list[Finding]:
    """What is to be done about every cell.

    Raises:
        ConfigError: with every cell that has other settings, or stood on something else than its peers.
    """
    findings, problems = [], []
    for cell in grid.cells:
        try:
            findings.append(look(cell.folder, settings(to_dict(cell.cell.config))))
        except ConfigError as error:
            problems += error.problems
    if not problems:
        kept = [cell for cell, found in zip(grid.cells, findings, strict=True) if found.todo in ("nothing", "resume")]
        problems = unfair(grid.request, kept) + missing_metric(kept)
    if problems:
        raise ConfigError(problems)
    return findings


def unfair(request: Request, cells: Sequence[Followed]) -> list[str]:
    """Of a compare: in what the runs of these cells differ that they should have in common."""
    if request.kind != "compare" or not cells:
        return []
    written = {str(cell.folder): written_settings(cell.folder) or {} for cell in cells}
    begun = {str(cell.folder): (cell.cell.seed, cell.folder) for cell in cells}
    return unfair_settings(written, request.allowed) + unfair_beginnings(begun, request.allowed)


def missing_metric(cells: Sequence[Followed]) -> list[str]:
    """That the metric cannot be had, once a cell shows it: of an evaluation at once, else after a step."""
    for cell in cells:
        shows = cell.names and (cell.step > 0 or cell.metric.startswith("eval/"))
        if shows and cell.metric not in cell.names:
            return [f"{cell.metric}: no run has this metric{did_you_mean(cell.metric, cell.names)}"]
    return []


def make_room(grid: Grid, findings: Sequence[Finding]) -> list[str]:
    """Move what cannot be used out of the way, and correct what killed runs say. A line for each cell moved."""
    lines = []
    for cell, found in zip(grid.cells, findings, strict=True):
        if found.todo == "redo":
            kept = move_aside(grid.folder, cell.folder)
            lines.append(f"{cell.folder}: {found.why}; begins anew, and what was there is kept in {kept}")
        elif found.todo == "resume":
            set_status(cell.folder, INTERRUPTED)
        cell.look()
    return lines


def run_left(grid: Grid, findings: Sequence[Finding], how: Launch, *, quiet: bool) -> Outcome:
    """Run every cell that is not done. Returns when nobody works on any of them any more."""
    todo = [number for number, found in enumerate(findings) if found.todo != "nothing"]
    for line in make_room(grid, findings):
        print(line, file=sys.stderr)
    set_status(grid.folder, "running")
    title = f"{grid.request.kind} {grid.folder.name}"
    with (
        Interrupts() as interrupts,
        open_screen(title, grid.cells, how.at_once, quiet=quiet) as screen,
        Watch(grid, todo, interrupts, screen) as watch,
    ):
        watch.launch(how)
    stopped = interrupts.count > 0 and any(cell.state != DONE for cell in grid.cells)
    return Outcome(stopped, watch.problems)


def wait_for_others(grid: Grid, *, quiet: bool) -> None:
    """Wait until runs that an earlier command left behind have saved; they stop by themselves once they see it gone."""
    busy = [cell.folder for cell in grid.cells if is_held(cell.folder)]
    if busy and not quiet:
        print(f"waiting for {', '.join(f'{holder(folder)} in {folder}' for folder in busy)}", file=sys.stderr)
    while any(is_held(folder) for folder in busy):
        set_status(grid.folder, STOP)
        time.sleep(TICK_S)


class Watch:
    """A thread beside the launcher: reads how far the cells are, shows it, and passes on what should stop them."""

    def __init__(self, grid: Grid, todo: Sequence[int], interrupts: Interrupts, screen: Screen) -> None:
        self.grid = grid
        self.todo = todo
        self.interrupts = interrupts
        self.screen = screen
        self.problems: list[str] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        for number in self.todo:
            self.grid.cells[number].forget()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join()
        self.look()

    def launch(self, how: Launch) -> None:
        """Run the cells and wait for them; also for those whose launcher did not."""
        if not self.todo:
            return
        try:
            launch(self.grid.folder, self.todo, how)
        except SystemExit:
            self.problems.append("the launcher stopped early; what it says stands above")
        while any(is_held(self.grid.cells[number].folder) for number in self.todo):
            self.ask(STOP)
            time.sleep(TICK_S)

    def watch(self) -> None:
        while not self.over.wait(TICK_S):
            self.look()
            self.problems = self.problems or missing_metric([self.grid.cells[number] for number in self.todo])
            count = self.interrupts.look()
            if count > 1:
                self.ask(STOP_AT_ONCE)
            elif count or self.problems:
                self.ask(STOP)

    def ask(self, status: str) -> None:
        """Tell every job what to do with its cell."""
        if get_status(self.grid.folder) not in (status, STOP_AT_ONCE):
            set_status(self.grid.folder, status)
            more = "; Ctrl-C again to stop at once" if status == STOP else ""
            self.screen.say(f"{status}: every cell that runs finishes its step and saves{more}")

    def look(self) -> None:
        before = [cell.state for cell in self.grid.cells]
        for cell in self.grid.cells:
            cell.look()
        self.screen.changed([cell for cell, state in zip(self.grid.cells, before, strict=True) if cell.state != state])
