"""Sums solved step by step: `37+85+12=` -> `37+85=122;122+12=134>134`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import AdditionData
from sspo_cli.data.problem import Problem
from sspo_cli.seeds import stable_fraction, stream

HELD_OUT_FRACTION = 0.1
DRAWS_PER_PROBLEM = 1000


class Addition:
    """Generated sums. A sum is held out or not by its text alone, so training never sees an evaluation problem."""

    def __init__(self, config: AdditionData, seed: int, eval_problems: int) -> None:
        self.config = config
        self.seed = seed
        self.evaluation = self.held_out(eval_problems)

    def train_problem(self, index: int) -> Problem:
        rng = stream(self.seed, "data", index)
        for _ in range(DRAWS_PER_PROBLEM):
            operands = self.draw(rng)
            if not is_held_out(operands):
                return self.problem(operands, bare=rng.random() < self.config.bare_fraction)
        raise ConfigError(["dataset: the operand range leaves no sum to learn from; widen dataset.operand_max"])

    def problems(self) -> Iterable[Problem]:
        return ()

    def prompts(self) -> Iterable[str]:
        return [question([self.config.operand_max] * self.config.terms_max)]

    def held_out(self, count: int) -> list[Problem]:
        rng = stream(0, "evaluation")
        found: dict[tuple[int, ...], None] = {}
        for _ in range(DRAWS_PER_PROBLEM * count):
            operands = self.draw(rng)
            if is_held_out(operands):
                found[operands] = None
            if len(found) == count:
                return [self.problem(operands, bare=False) for operands in found]
        raise ConfigError(
            [
                f"eval.problems={count}: this dataset holds out only {len(found)} different sums;"
                " ask for fewer or widen dataset.operand_max"
            ]
        )

    def draw(self, rng: np.random.Generator) -> tuple[int, ...]:
        terms = int(rng.integers(self.config.terms_min, self.config.terms_max + 1))
        drawn = rng.integers(self.config.operand_min, self.config.operand_max + 1, size=terms)
        return tuple(int(operand) for operand in drawn)

    def problem(self, operands: tuple[int, ...], bare: bool) -> Problem:
        answer = str(sum(operands))
        solution = f">{answer}" if bare else solve(operands)
        return Problem(id=question(operands), prompt=question(operands), answer=answer, solution=solution)


def is_held_out(operands: Iterable[int]) -> bool:
    return stable_fraction(question(operands)) < HELD_OUT_FRACTION


def question(operands: Iterable[int]) -> str:
    return "+".join(str(operand) for operand in operands) + "="


def solve(operands: tuple[int, ...]) -> str:
    """One partial sum after the other, then the answer."""
    total, steps = operands[0], []
    for operand in operands[1:]:
        steps.append(f"{total}+{operand}={total + operand}")
        total += operand
    return ";".join(steps) + f">{total}"
