"""Training and evaluation kept apart by content: a question that is held out is not learned from."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Dataset, Problem

FAR = 2**40  # between draws of an endless dataset in the place of each other
DRAWS = 1000


def asked(problem: Problem) -> str:
    """What a problem asks, whatever frames it: white space and case do not count."""
    return " ".join((problem.question or problem.text).split()).casefold()


def without_held_out(train: Sequence[Problem], held_out: Iterable[Problem]) -> tuple[list[Problem], int]:
    """The problems of `train` whose question is not held out, and how many others there are."""
    return without_questions(train, {asked(problem) for problem in held_out})


def without_questions(train: Sequence[Problem], questions: Collection[str]) -> tuple[list[Problem], int]:
    kept = [problem for problem in train if asked(problem) not in questions]
    return kept, len(train) - len(kept)


def told_apart(name: str, dropped: int) -> list[str]:
    """A line about the problems that are left out of training."""
    if not dropped:
        return []
    are = "problem is" if dropped == 1 else "problems are"
    return [f"{name}: {dropped} {are} left out of training, for the same is asked in evaluation"]


class Avoiding:
    """An endless dataset whose training stream gives another problem in the place of one that must not be asked."""

    train_size = None

    def __init__(self, dataset: Dataset, questions: Collection[str]) -> None:
        self.dataset = dataset
        self.questions = questions

    @property
    def evaluation(self) -> list[Problem]:
        return self.dataset.evaluation

    @property
    def notes(self) -> Sequence[str]:
        return self.dataset.notes

    def train_problem(self, index: int) -> Problem:
        for draw in range(DRAWS):
            problem = self.dataset.train_problem(index + draw * FAR)
            if asked(problem) not in self.questions:
                return problem
        raise ConfigError(["dataset.parts: one of them is left no problem that others do not hold out; make it wider"])

    def problems(self) -> Iterable[Problem]:
        return self.dataset.problems()
