"""Where rollouts come from: in the order of steps, each as old as rollout.staleness wants it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
        self.waiting: deque[Rollout] = deque()

    def restore(self, prompts: int, waiting: Sequence[Rollout]) -> None:
        self.prompts, self.waiting = prompts, deque(waiting)

    def take(self, step: int) -> tuple[Rollout, int]:
        """The rollout of step `step`, and the response tokens that were sampled to have it now."""
        tokens = 0
        for number in range(step + len(self.waiting), min(step + self.staleness, self.last_step) + 1):
            rollout = self.collect(number, self.prompts)
            self.prompts += rollout.prompts
            tokens += rollout.tokens
            self.waiting.append(rollout)
        return self.waiting.popleft(), tokens
