"""Training and evaluation kept apart by content: a question that is held out is not learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Dataset, Problem

FAR = 2**40  # between draws of an endless dataset in the place of each other
DRAWS = 1000


def asked(problem: Problem) -> str:
    """What a problem asks, whatever frames it: white space and case do not count."""
    return squeezed(problem.question or problem.text)


def squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


def forms_of(problems: Iterable[Problem]) -> set[str]:
    """What problems ask and what they read like: two datasets may frame different words to one prompt."""
    return {form for problem in problems for form in (asked(problem), squeezed(problem.text))}


def without_held_out(train: Sequence[Problem], held_out: Iterable[Problem]) -> tuple[list[Problem], int]:
    """The problems of `train` that are not held out, and how many others there are."""
    return without_forms(train, forms_of(held_out))


def without_forms(train: Sequence[Problem], forms: Set[str]) -> tuple[list[Problem], int]:
    kept = [problem for problem in train if forms.isdisjoint(forms_of([problem]))]
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

    def __init__(self, dataset: Dataset, forms: Set[str]) -> None:
        self.dataset = dataset
        self.forms = forms

    @property
    def evaluation(self) -> list[Problem]:
        return self.dataset.evaluation

    @property
    def notes(self) -> Sequence[str]:
        return self.dataset.notes

    def train_problem(self, index: int) -> Problem:
        for draw in range(DRAWS):
            problem = self.dataset.train_problem(index + draw * FAR)
            if self.forms.isdisjoint(forms_of([problem])):
                return problem
        raise ConfigError(["dataset.parts: one of them is left no problem that others do not hold out; make it wider"])

    def problems(self) -> Iterable[Problem]:
        return self.dataset.problems()
