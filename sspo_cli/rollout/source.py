"""Where rollouts come from: in the order of steps, each as old as rollout.staleness wants it, before a step or
during it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread

from sspo_cli.runs.sample_rows import SampleRow
from sspo_cli.types import Trajectory


@dataclass(frozen=True)
class Rollout:
    """What one step learns from.

    trajectories: ordered by prompt. samples: a row for each response, for people. prompts and tokens: problems of the
    training stream and response tokens that it took, whether they are learned from or not. metrics: of all of them.
    """

    trajectories: list[Trajectory]
    samples: list[SampleRow]
    prompts: int
    tokens: int
    metrics: dict[str, float]


# From the number of a step and of its first problem in the training stream to its rollout, under the weights of now.
Collect = Callable[[int, int], Rollout]


class Source:
    """Collects the rollout of step t under the weights that step t - staleness begins with.

    prompts: problems of the training stream taken so far. waiting: rollouts that no step has learned from yet, the
    oldest first. Both are what a checkpoint keeps.
    """

    def __init__(self, collect: Collect, staleness: int, last_step: int) -> None:
        self.collect = collect
        self.staleness = staleness
        self.last_step = last_step
        self.prompts = 0
        self.tokens = 0
        self.waiting: deque[Rollout] = deque()

    def restore(self, prompts: int, waiting: Sequence[Rollout]) -> None:
        self.prompts, self.waiting = prompts, deque(waiting)

    def take(self, step: int) -> Rollout:
        """The rollout of step `step`, before its updates."""
        for number in self.due(step):
            self.add(number)
        return self.waiting.popleft()

    def settle(self) -> int:
        """After the updates of a step: the response tokens that were sampled for it or during it. Nothing is collected
        from now on, until a step takes its rollout."""
        tokens, self.tokens = self.tokens, 0
        return tokens

    def drop(self) -> None:
        """Collect nothing more: the run ends."""

    def due(self, step: int) -> range:
        """The steps whose rollouts are collected under the weights that step `step` begins with."""
        return range(step + len(self.waiting), min(step + self.staleness, self.last_step) + 1)

    def add(self, number: int) -> None:
        rollout = self.collect(number, self.prompts)
        self.prompts += rollout.prompts
        self.tokens += rollout.tokens
        self.waiting.append(rollout)


class Dropped(Exception):
    """Nobody waits for what is being collected."""


class OverlappedSource(Source):
    """Collects the same rollouts under the same weights, but those of later steps while a step makes its updates, in a
    thread. It needs a sampler with weights of its own.

    sync: gives the sampler the weights of now, which it keeps meanwhile.
    """

    def __init__(self, collect: Collect, staleness: int, last_step: int, sync: Callable[[], None]) -> None:
        super().__init__(collect, staleness, last_step)
        self.sync = sync
        self.thread: Thread | None = None
        self.failure: BaseException | None = None
        self.dropped = False

    def take(self, step: int) -> Rollout:
        due = self.due(step)
        if due:
            self.sync()
        if not self.waiting:
            self.add(due[0])
            due = due[1:]
        rollout = self.waiting.popleft()
        if due:
            self.thread = Thread(target=self.add_all, args=(due,), daemon=True)
            self.thread.start()
        return rollout

    def add_all(self, numbers: range) -> None:
        try:
            for number in numbers:
                self.add(number)
        except BaseException as error:  # raised again by `settle`, in the main thread
            self.failure = error

    def settle(self) -> int:
        self.join()
        if self.failure is not None:
            raise self.failure
        return super().settle()

    def drop(self) -> None:
        self.dropped = True
        self.join()

    def join(self) -> None:
        if self.thread is not None:
            self.thread.join()
            self.thread = None

    def check(self) -> None:
        """For what collects, now and then.

        Raises:
            Dropped: if nobody waits for it any more.
        """
        if self.dropped:
            raise Dropped
