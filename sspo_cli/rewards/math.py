"""Mathematical equality of the final answer, by math-verify."""

from __future__ import annotations

from collections.abc import Callable

from sspo_cli.data.problem import Problem


def math_reward() -> Callable[[Problem, str], dict[str, float]]:
    """1 if math-verify finds the response's final answer equal to the reference, else 0.

    math-verify bounds its own time with an alarm signal, so this must run in the main thread.
    """
    from math_verify import parse, verify

    def score(problem: Problem, response: str) -> dict[str, float]:
        return {"math": float(verify(parse(f"${problem.answer}$"), parse(response)))}

    return score
