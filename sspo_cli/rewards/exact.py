"""Exact match of the final answer."""

from __future__ import annotations

from collections.abc import Callable

from sspo_cli.data.problem import Problem


def exact_reward(answer_after: str | None) -> Callable[[Problem, str], dict[str, float]]:
    """1 if the text after the last `answer_after` (the whole response if None) equals the answer, else 0."""

    def score(problem: Problem, response: str) -> dict[str, float]:
        if answer_after is None:
            return {"exact": float(response.strip() == problem.answer.strip())}
        _, found, final = response.rpartition(answer_after)
        return {"exact": float(bool(found) and final.strip() == problem.answer.strip())}

    return score
