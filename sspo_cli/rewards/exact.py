"""Exact match of the final answer."""

from __future__ import annotations

from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import Parts
from sspo_cli.rewards.remarks import EMPTY


class ExactReward:
    """1 if the text after the last `answer_after` (the whole response if None) equals an accepted answer, else 0.

    Blank answers are none; a problem that has no other gives no score.
    """

    def __init__(self, answer_after: str | None) -> None:
        self.answer_after = answer_after

    def __call__(self, problem: Problem, response: str) -> Parts | None:
        answers = answers_of(problem)
        if not answers:
            return None
        found, final = "whole", response
        if self.answer_after is not None:
            _, found, final = response.rpartition(self.answer_after)
        return {"exact": float(bool(found) and final.strip() in answers)}

    def remarks(self, problem: Problem) -> list[str]:
        """The topics of remarks.LINES that the answers of `problem` belong to."""
        return [] if answers_of(problem) else [EMPTY]


def answers_of(problem: Problem) -> set[str]:
    return {answer.strip() for answer in problem.answers} - {""}
