"""Run what is left of a grid: look at every cell, make room, launch, watch."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sspo_cli.config.errors import ConfigError, did_you_mean
from sspo_cli.guards import stop_signals
from sspo_cli.runs.folder import set_status
from sspo_cli.runs.lock import hold, holder, is_held
from sspo_cli.runs.log import last_line
from sspo_cli.study.fairness import unfair_beginnings, unfair_settings
from sspo_cli.study.files import CellFiles
from sspo_cli.study.follow import Followed, Screen
from sspo_cli.study.launch import log_of, start
from sspo_cli.study.launcher import Launch
from sspo_cli.study.left import Finding, look, move_aside
from sspo_cli.study.plan import Plan, write_grid
from sspo_cli.study.settings import settings_of
from sspo_cli.study.store import Order, give_order

TICK_S = 0.25
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a grid ended. stopped: by the user. problems: why it has no results. failures: a line for every
    cell that failed."""

    done: int
    total: int
    stopped: bool
    problems: list[str]
    failures: list[str]

    @property
    def status(self) -> str:
        """What STATUS says of the grid."""
        if self.stopped:
            return "interrupted"
        undone = self.total - self.done
        failure = self.problems[0] if self.problems else f"{undone} of {self.total} cells" if undone else ""
        return f"failed: {failure}" if failure else "done"


@contextmanager
def running(plan: Plan, how: Launch, screen: Screen) -> Iterator[Outcome]:
    """Run every cell of `plan` that is not done. The lock of the grid is held until the block ends.

    Raises:
        ConfigError: if another process works on the grid, or a cell cannot be resumed; nothing has run then.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    with hold(plan.folder):
        cells = follow(plan)
        wait_for_others(cells, screen)
        findings = find_left(plan, cells)
        write_grid(plan)
        if left := sum(found.todo != "nothing" for found in findings):
            screen.say(f"{plan.folder}: {left} of {len(findings)} cells to run{how}")
        outcome = Runner(plan, cells, screen).run(findings, how)
        set_status(plan.folder, outcome.status)
        yield outcome


def follow(plan: Plan) -> list[Followed]:
    """Every cell as it is on disk now."""
    cells = [Followed(cell, plan.section.metric) for cell in plan.cells]
    for cell in cells:
        cell.look()
    return cells


def find_left(plan: Plan, cells: Sequence[Followed]) -> list[Finding]:
    """What is to be done about every cell.

    Raises:
        ConfigError: with every cell that has other settings, or stood on something else than its peers.
    """
    findings, problems = [], []
    for cell in cells:
        try:
            findings.append(look(cell.folder, settings_of(cell.cell.config)))
        except ConfigError as error:
            problems += error.problems
    if not problems:
        kept = [cell for cell, found in zip(cells, findings, strict=True) if found.todo in ("nothing", "resume")]
        problems = unfair(plan, kept) + missing_metric(kept)
    if problems:
        raise ConfigError(problems)
    return findings


def unfair(plan: Plan, cells: Sequence[Followed]) -> list[str]:
    """Of a compare: in what the runs of these cells differ that they should have in common."""
    if plan.kind != "compare" or not cells:
        return []
    files = [(cell.cell.seed, CellFiles(cell.folder)) for cell in cells]
    written = {str(cell.folder): cell.settings or {} for _, cell in files}
    return unfair_settings(written, plan.allowed) + unfair_beginnings(files, plan.allowed)


def missing_metric(cells: Sequence[Followed]) -> list[str]:
    """That the metric cannot be had, once a cell shows it: of an evaluation at once, else after a step."""
    for cell in cells:
        shows = cell.names and (cell.step > 0 or cell.metric.startswith("eval/"))
        if shows and cell.metric not in cell.names:
            return [f"{cell.metric}: no run has this metric{did_you_mean(cell.metric, cell.names)}"]
    return []


def wait_for_others(cells: Sequence[Followed], screen: Screen) -> None:
    """Wait until runs that an earlier command left behind have saved; they stop by themselves once they see it gone."""
    busy = [cell.folder for cell in cells if is_held(cell.folder)]
    if busy:
        screen.say(f"waiting for {', '.join(f'{holder(folder)} in {folder}' for folder in busy)}")
    while any(is_held(folder) for folder in busy):
        time.sleep(TICK_S)


def make_room(plan: Plan, cells: Sequence[Followed], findings: Sequence[Finding]) -> list[str]:
    """Move what cannot be used out of the way, and correct what killed runs say. A line for each cell moved."""
    lines = []
    for cell, found in zip(cells, findings, strict=True):
        if found.todo == "redo":
            kept = move_aside(plan.folder, cell.folder)
            lines.append(f"{cell.folder}: {found.why}; begins anew, and what was there is kept in {kept}")
        elif found.todo == "resume":
            set_status(cell.folder, "interrupted")
        cell.look()
    return lines


@contextmanager
def kept_interrupts() -> Iterator[list[int]]:
    """Every Ctrl-C, SIGTERM and SIGHUP inside the block, which does not end there."""
    seen: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: seen.append(number)) for number in stop_signals()}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Runner:
    """Launches cells, sees how far they are, shows it, and passes on what should stop them."""

    def __init__(self, plan: Plan, cells: Sequence[Followed], screen: Screen) -> None:
        self.plan = plan
        self.cells = cells
        self.screen = screen
        self.todo: list[Followed] = []
        self.order: Order | None = None
        self.problems: list[str] = []

    def run(self, findings: Sequence[Finding], how: Launch) -> Outcome:
        """Return when no process works on any cell."""
        for line in make_room(self.plan, self.cells, findings):
            self.screen.warn(line)
        numbers = [number for number, found in enumerate(findings) if found.todo != "nothing"]
        self.todo = [self.cells[number] for number in numbers]
        for cell in self.todo:
            cell.forget()
        give_order(self.plan.folder, None)
        set_status(self.plan.folder, "running")
        with kept_interrupts() as self.interrupts, self.screen:
            self.screen.begin(self.cells, how.at_once)
            if numbers:
                self.attend(start(self.plan.folder, numbers, how))
        done = [cell for cell in self.cells if cell.state == "done"]
        stopped = bool(self.interrupts) and len(done) < len(self.cells)
        problems = [] if stopped else self.problems or unfair(self.plan, done)
        return Outcome(len(done), len(self.cells), stopped, problems, self.failures())

    def failures(self) -> list[str]:
        return [
            f"{cell.cell.label}: {cell.status} (log: {cell.folder / 'log.txt'})"
            for cell in self.cells
            if cell.state in ("failed", "died")
        ]

    def attend(self, launcher: subprocess.Popen[bytes]) -> None:
        """Stay until `launcher` and every run that it started are over."""
        busy = time.monotonic()
        while launcher.poll() is None:
            time.sleep(TICK_S)
            self.look()
            if len(self.interrupts) < 2 or any(is_held(cell.folder) for cell in self.todo):
                busy = time.monotonic()
            elif time.monotonic() - busy > PATIENCE_S:
                launcher.terminate()  # it waits for jobs that a cluster has not begun, and that will have nothing to do
        if launcher.returncode and len(self.interrupts) < 2:
            log = log_of(self.plan.folder)
            self.problems.append(f"the launcher stopped early: {last_line(log)} (log: {log})")
        while any(is_held(cell.folder) for cell in self.todo):
            self.ask("stop")
            time.sleep(TICK_S)
        self.look()

    def look(self) -> None:
        before = [cell.state for cell in self.cells]
        for cell in self.cells:
            cell.look()
        self.screen.changed([cell for cell, state in zip(self.cells, before, strict=True) if cell.state != state])
        self.problems = self.problems or missing_metric(self.todo)
        if len(self.interrupts) > 1:
            self.ask("stop at once")
        elif self.interrupts or self.problems:
            self.ask("stop")

    def ask(self, order: Order) -> None:
        """Tell every job what to do with its cell."""
        if self.order in (order, "stop at once"):
            return
        self.order = order
        give_order(self.plan.folder, order)
        if order == "stop":
            self.screen.say("stopping: every cell that runs finishes its step and saves; Ctrl-C again to stop at once")
        else:
            self.screen.say("stopping at once: what is not saved is lost")
