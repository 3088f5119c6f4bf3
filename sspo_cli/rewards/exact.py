"""Exact match of the final answer."""

from __future__ import annotations

from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import Parts, RewardFunction


def exact_reward(answer_after: str | None) -> RewardFunction:
    """1 if the text after the last `answer_after` (the whole response if None) equals an accepted answer, else 0."""

    def rate(problem: Problem, response: str) -> Parts:
        found, final = "whole", response
        if answer_after is not None:
            _, found, final = response.rpartition(answer_after)
        return {"exact": float(bool(found) and final.strip() in {answer.strip() for answer in problem.answers})}

    return rate
