"""Who watches a run: a display, a tracker, a profiler, a notebook. None of them can change or end it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sspo_cli.runs.eval_rows import EvalRow


class Observer:
    """Watches nothing: the contract of the others, which override what they want to know."""

    def begin(self, step: int) -> None:
        """Step `step` begins."""

    def phase(self, name: str, done: int, total: int) -> None:
        """Where the current step is: `done` of `total` responses, updates or tokens of the phase `name`."""

    def step(self, row: Mapping[str, Any]) -> None:
        """A row of metrics.jsonl, its key "step" included: a step, or the evaluation before the first, is over."""

    def evaluated(self, rows: Sequence[EvalRow]) -> None:
        """An evaluation is over; its row of metrics follows."""

    def warn(self, text: str) -> None:
        """Something that the user should know now."""

    def close(self, exit_code: int) -> None:
        """The run is over; 0 for success."""


class Observers(Observer):
    """Several observers as one. One that raises is told of on stderr, and sees nothing more; the run goes on."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.watching = list(observers)

    def begin(self, step: int) -> None:
        self.tell(lambda observer: observer.begin(step))

    def phase(self, name: str, done: int, total: int) -> None:
        self.tell(lambda observer: observer.phase(name, done, total))

    def step(self, row: Mapping[str, Any]) -> None:
        self.tell(lambda observer: observer.step(row))

    def evaluated(self, rows: Sequence[EvalRow]) -> None:
        self.tell(lambda observer: observer.evaluated(rows))

    def warn(self, text: str) -> None:
        self.tell(lambda observer: observer.warn(text))

    def close(self, exit_code: int) -> None:
        self.tell(lambda observer: observer.close(exit_code))

    def tell(self, call: Callable[[Observer], None]) -> None:
        for observer in list(self.watching):
            try:
                call(observer)
            except (Exception, SystemExit) as error:
                self.watching.remove(observer)
                what = f"{type(observer).__name__} raised {type(error).__name__}: {error}".split("\n")[0]
                print(f"sspo: {what}; the run goes on without it", file=sys.stderr)
