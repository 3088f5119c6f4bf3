"""What every tracker shares: a row of metrics.jsonl is sent once, in order, and a failure never ends a run."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from sspo_cli.config.errors import ConfigError
from sspo_cli.engine.observer import Observer
from sspo_cli.runs.eval_rows import EvalRow, read_evaluations
from sspo_cli.runs.folder import study, title
from sspo_cli.runs.lock import hold
from sspo_cli.runs.metric_rows import MetricRow, read_metrics, step_of
from sspo_cli.trackers.memory import Memory, home, keep

SAMPLES = 20
COLUMNS = ("step", "prompt", "response", "answer", "reward", "correct")


@dataclass(frozen=True)
class Entry:
    """What one step sends. values: the finite metrics by name. samples: at most `SAMPLES` rows of `COLUMNS`."""

    step: int
    values: Mapping[str, float]
    samples: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True)
class Target:
    """The run that is mirrored. config: resolved."""

    folder: Path
    config: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        return title(self.folder)

    @property
    def group(self) -> str | None:
        """The compare or sweep that the run is a cell of."""
        return study(self.folder)


class Sink(Protocol):
    """Where entries go; any method may raise anything."""

    def held(self, step: int) -> int:
        """The last step that is there, of a session that was killed after it sent `step`; -1 if none is."""
        ...

    def send(self, entry: Entry) -> None: ...

    def close(self, exit_code: int) -> list[str]:
        """End it; lines for the user on how to see what was sent."""
        ...


class Opener(Protocol):
    """Opens the tracker's own run of id memory.id; raises ConfigError if that cannot be."""

    def __call__(self, target: Target, memory: Memory) -> Sink: ...


def entry_of(row: MetricRow, samples: Iterable[EvalRow] = ()) -> Entry:
    """The entry of a row and of the evaluation at its step."""
    values = {
        key: float(value)
        for key, value in row.items()
        if key != "step" and isinstance(value, int | float) and math.isfinite(value)
    }
    first = sorted(samples, key=lambda sample: sample.sample)[:SAMPLES]  # of each problem before the second ones
    step = step_of(row)
    return Entry(step, values, [as_cells(step, sample) for sample in first])


def as_cells(step: int, sample: EvalRow) -> list[Any]:
    answer = sample.answer if isinstance(sample.answer, str) else " | ".join(sample.answer)
    return [step, sample.prompt, sample.response, answer, sample.reward, sample.correct]


class Mirror(Observer):
    """Sends the rows of a run to `kind`, those that it has not got. After a failure it says so once and sends no more.

    Raises:
        ConfigError: if the tracker cannot begin, or somebody else is sending this run to it.
    """

    def __init__(self, kind: str, target: Target, memory: Memory, opener: Opener) -> None:
        self.kind, self.target, self.memory = kind, target, memory
        self.evaluation: Sequence[EvalRow] = ()
        self.failure: Exception | None = None
        self.behind = True  # rows before the first one told of may be missing there
        self.open = ExitStack()
        place = home(target.folder, kind)
        try:
            place.mkdir(exist_ok=True)
            self.open.enter_context(hold(place))
            self.sink: Sink | None = opener(target, memory)
            if memory.step > memory.sure:
                self.memory = replace(memory, step=max(memory.sure, self.sink.held(memory.step)))
            keep(target.folder, kind, self.memory)
        except BaseException as error:
            self.open.close()
            if isinstance(error, OSError):
                raise ConfigError([f"tracker={kind}: {place}: {error.strerror or error}"]) from error
            raise

    def evaluated(self, rows: Sequence[EvalRow]) -> None:
        self.evaluation = rows

    def step(self, row: Mapping[str, Any]) -> None:
        samples, self.evaluation = self.evaluation, ()
        if self.behind:
            self.behind = False
            try:
                self.catch_up(before=step_of(row))
            except (OSError, ValueError) as error:
                self.fail("could not read what it lacks", error)
        self.send(entry_of(row, samples))

    def catch_up(self, before: float = math.inf) -> int:
        """Send the rows of the run's files that are not there yet, up to step `before`; how many those were.

        Raises:
            ValueError: if a file cannot be read.
        """
        rows = [row for row in read_metrics(self.target.folder) if self.memory.step < step_of(row) < before]
        samples: dict[int | None, list[EvalRow]] = defaultdict(list)
        for sample in read_evaluations(self.target.folder) if rows else []:
            samples[sample.step].append(sample)
        return sum(self.send(entry_of(row, samples[step_of(row)])) for row in rows)

    def send(self, entry: Entry) -> bool:
        """Send an entry, unless it is there already or the tracker has failed; whether it was sent."""
        if self.sink is None or self.failure is not None or entry.step <= self.memory.step:
            return False
        try:
            self.sink.send(entry)
            self.memory = replace(self.memory, step=entry.step)
            keep(self.target.folder, self.kind, self.memory)
        except Exception as error:  # whatever a tracker throws, training goes on
            self.fail(f"stopped mirroring at step {entry.step}", error)
        return self.failure is None

    def close(self, exit_code: int) -> None:
        sink, self.sink = self.sink, None
        try:
            if sink is not None:
                lines = sink.close(exit_code)
                self.memory = replace(self.memory, sure=self.memory.step)
                keep(self.target.folder, self.kind, self.memory)
                for line in lines:
                    print(f"sspo: {line}", file=sys.stderr)
        except Exception as error:
            self.fail("could not close its run", error)
        finally:
            self.open.close()

    def fail(self, what: str, error: Exception) -> None:
        if self.failure is None:
            reason = " ".join(str(error).split()) or type(error).__name__
            print(
                f"sspo: {self.kind} {what}: {reason}; the run folder has everything, and"
                f" `sspo runs push {self.target.folder} --to {self.kind}` sends the rest",
                file=sys.stderr,
            )
            self.failure = error
