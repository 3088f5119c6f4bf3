"""Training and evaluation kept apart by content: a question that is held out is not learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sspo_cli.data.problem import Problem


def asked(problem: Problem) -> str:
    """What a problem asks, whatever frames it: white space and case do not count."""
    return " ".join((problem.question or problem.text).split()).casefold()


def without_held_out(train: Sequence[Problem], held_out: Iterable[Problem]) -> tuple[list[Problem], int]:
    """The problems of `train` whose question is not held out, and how many others there are."""
    questions = {asked(problem) for problem in held_out}
    kept = [problem for problem in train if asked(problem) not in questions]
    return kept, len(train) - len(kept)


def told_apart(name: str, dropped: int) -> list[str]:
    """A line about the problems that are left out of training."""
    if not dropped:
        return []
    return [
        f"{name}: {dropped} problem{'s' if dropped > 1 else ''} to learn from are held out too; left out of training"
    ]
