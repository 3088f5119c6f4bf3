"""Hydra's multirun over the numbers of cells: its launcher starts one job for each."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import hydra

from sspo_cli.config.compose import quoted
from sspo_cli.grid.job import run_cell
from sspo_cli.grid.launcher import Launch, search_path


def launch(folder: Path, cells: Sequence[int], how: Launch) -> None:
    """Run these cells of the grid in `folder`; returns when none is left. What became of each is in its own folder."""
    arguments = [
        "sspo",
        "--multirun",
        f"+cell={','.join(str(number) for number in cells)}",
        f"+grid={quoted(str(folder.absolute()))}",
        f"+threads={how.threads}",
        f"+gpus={how.gpus}",
        f"hydra.sweep.dir={quoted(str(folder.absolute() / 'launcher'))}",
        "hydra.sweep.subdir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *search_path(),
        *how.words,
    ]
    before, sys.argv = sys.argv, arguments
    try:
        hydra.main(version_base="1.3", config_path=None)(run_cell)()
    finally:
        sys.argv = before


class Interrupts:
    """Ctrl-C and SIGTERM, counted and never raised.

    SIGINT is blocked here and so in every process started from here: in a terminal it reaches them all, and would end a
    launcher's workers before their runs are saved. `look` takes it instead.
    """

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        self.before = {number: signal.signal(number, self.seen) for number in (signal.SIGINT, signal.SIGTERM)}
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.look()
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def seen(self, number: int, frame: FrameType | None) -> None:
        self.count += 1

    def look(self) -> int:
        """How often a stop was asked for so far."""
        if signal.SIGINT in signal.sigpending():
            signal.sigwait({signal.SIGINT})
            self.count += 1
        return self.count
