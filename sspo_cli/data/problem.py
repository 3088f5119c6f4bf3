"""A problem, and what the engine asks of a source of problems."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Problem:
    """prompt: what the model reads. answer: what a reward compares with. solution: a worked response, if any."""

    id: str
    prompt: str
    answer: str
    solution: str | None


class Dataset(Protocol):
    """Problems to learn from, as an endless stream, and held-out problems, the same for every seed."""

    @property
    def evaluation(self) -> list[Problem]: ...

    def train_problem(self, index: int) -> Problem:
        """The index-th problem of the training stream; depends on the seed and `index` alone."""
        ...

    def problems(self) -> Iterable[Problem]:
        """Every problem to learn from, in the order of its source; none where they are made as they are asked for."""
        ...

    def prompts(self) -> Iterable[str]:
        """Prompts among which is the longest that will ever be asked."""
        ...
