"""The rewards of a mixture of datasets: each problem is graded by that of its part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import RewardFunction, remarks_of


class MixtureReward:
    """Reward functions by the source of a problem."""

    def __init__(self, parts: Mapping[str, RewardFunction]) -> None:
        self.parts = parts

    def __call__(self, problem: Problem, response: str) -> Mapping[str, Any] | None:
        return self.parts[problem.source](problem, response)

    def remarks(self, problem: Problem) -> Sequence[str]:
        return remarks_of(self.parts[problem.source], problem)
