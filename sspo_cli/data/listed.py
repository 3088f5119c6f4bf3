"""A finite list of problems as an endless stream: a new order every epoch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from sspo_cli.data.problem import Problem
from sspo_cli.seeds import stream


class Listed:
    """Problems of a file, in an order that depends on the seed and the epoch alone.

    held_out: problems that are not to be learned from, where they are more than those to evaluate on.
    """

    def __init__(
        self,
        train: list[Problem],
        evaluation: list[Problem],
        seed: int,
        notes: Sequence[str] = (),
        held_out: Sequence[Problem] = (),
    ) -> None:
        self.train = train
        self.evaluation = evaluation
        self.held_out = held_out or evaluation
        self.seed = seed
        self.notes = notes
        self.order: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    @property
    def train_size(self) -> int:
        return len(self.train)

    def train_problem(self, index: int) -> Problem:
        epoch, place = divmod(index, len(self.train))
        if self.order[0] != epoch:
            self.order = (epoch, stream(self.seed, "data", epoch).permutation(len(self.train)))
        return self.train[int(self.order[1][place])]

    def problems(self) -> Iterable[Problem]:
        return self.train

    def without(self, problems: Collection[Problem]) -> Listed:
        train, evaluation, held_out = (
            [problem for problem in listed if problem not in problems]
            for listed in (self.train, self.evaluation, self.held_out)
        )
        return Listed(train, evaluation, self.seed, self.notes, held_out)
