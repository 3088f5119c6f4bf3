"""How far the cells of a grid are, read from their folders as they grow."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from sspo_cli.config.schema import TrainSection
from sspo_cli.runs.status import read_state
from sspo_cli.study.cell import PlannedCell

NOT_WELL = ("failed", "died", "interrupted")
STATES = ("running", "done", *NOT_WELL)


@dataclass
class Followed:
    """One cell as it was last seen. state: waiting, or one of STATES; waiting too while a run is still loading.

    value: the latest of the grid's metric. seconds: of training so far. fraction: of its steps, tokens or minutes,
    whichever is nearest to its limit.
    """

    cell: PlannedCell
    metric: str
    state: str = "waiting"
    status: str = ""
    step: int = 0
    value: float | None = None
    seconds: float = 0.0
    fraction: float = 0.0
    names: set[str] = field(default_factory=set)
    inode: int = 0
    offset: int = 0
    left_over: str | None = None

    @property
    def folder(self) -> Path:
        return self.cell.folder

    def forget(self) -> None:
        """Count the cell as waiting until a run begins in it: its state is that of an earlier attempt."""
        self.left_over = self.status
        self.state = "waiting"

    def look(self) -> None:
        """Take in what is new."""
        self.read_rows()
        state = read_state(self.folder)
        self.status = str(state)
        if self.status == self.left_over:
            return
        self.left_over = None
        self.state = state.word if state.word in STATES else "waiting"

    def read_rows(self) -> None:
        file = self.folder / "metrics.jsonl"
        if not file.exists():
            return
        with file.open("rb") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            if inode != self.inode:  # a resumed run has cut off what came after its checkpoint
                self.inode, self.offset, self.seconds = inode, 0, 0.0
            stream.seek(self.offset)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.split(b"\n"):
            try:
                self.take(json.loads(line))
            except ValueError:
                continue

    def take(self, row: dict[str, float | None]) -> None:
        self.names |= row.keys()
        self.step = int(row.get("step") or 0)
        self.seconds += row.get("time/total_s") or 0.0
        value = row.get(self.metric)
        self.value = value if value is not None and math.isfinite(value) else self.value
        self.fraction = fraction(self.cell.config.train, self.step, row.get("tokens/total") or 0, self.seconds)

    @property
    def left_s(self) -> float | None:
        """Seconds to its end, were it to go on as so far; None if unknown."""
        if self.state == "done":
            return 0.0
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction and self.seconds else None


def fraction(limits: TrainSection, step: int, tokens: float, seconds: float) -> float:
    """The share of a run that is done: the nearest of its limits counts."""
    shares = [step / limits.steps]
    shares += [tokens / limits.max_tokens] if limits.max_tokens else []
    shares += [seconds / 60 / limits.max_minutes] if limits.max_minutes else []
    return min(1.0, max(shares))


def left_s(cells: Sequence[Followed], at_once: int) -> float | None:
    """Seconds until every cell is done; those not begun take as long as the others on average."""
    going = [cell for cell in cells if cell.state in ("waiting", "running")]
    known = [cell.seconds + own for cell in cells if cell.seconds and (own := cell.left_s) is not None]
    if not going:
        return 0.0
    if not known:
        return None
    usual = sum(known) / len(known)
    left = [usual if (own := cell.left_s) is None else own for cell in going]
    return max(max(left), sum(left) / max(1, min(at_once or len(going), len(going))))


def counts(cells: Sequence[Followed]) -> str:
    """For example 3 of 15 cells done, 2 running, 1 failed."""
    states = [cell.state for cell in cells]
    others = [f"{states.count(state)} {state}" for state in ("running", *NOT_WELL) if state in states]
    return ", ".join([f"{states.count('done')} of {len(cells)} cells done", *others])


class Screen:
    """What a person is shown while a grid runs; this one shows nothing but warnings."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, cells: Sequence[Followed], at_once: int) -> None:
        """These cells are followed from now on. at_once: how many run together, 0 where a cluster decides."""

    def changed(self, cells: Sequence[Followed]) -> None:
        """The state of these cells is not what it was."""

    def say(self, words: str) -> None:
        """One line that a person should read."""

    def warn(self, words: str) -> None:
        """One line that a person must read, because files of theirs were moved."""
        with contextlib.suppress(OSError, ValueError):  # a closed stderr must not end the grid
            print(words, file=sys.stderr, flush=True)
