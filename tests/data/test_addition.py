from __future__ import annotations

import re

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import AdditionData, TrainConfig
from sspo_cli.data.addition import Addition
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.exact import ExactReward


def addition(*overrides: str, seed: int = 0, problems: int = 100) -> Addition:
    config = load_config(TrainConfig, list(overrides)).dataset
    assert isinstance(config, AdditionData)
    return Addition(config, seed, problems)


def solution_of(problem: Problem) -> str:
    assert problem.solution is not None
    return problem.solution


def test_solutions_are_true_step_by_step() -> None:
    data = addition("dataset.terms_max=5")
    for index in range(200):
        problem = data.train_problem(index)
        assert isinstance(problem.prompt, str)
        operands = [int(word) for word in problem.prompt.rstrip("=").split("+")]
        assert 2 <= len(operands) <= 5 and all(0 <= operand <= 99 for operand in operands)
        assert problem.answer == str(sum(operands))
        steps, answer = solution_of(problem).split(">")
        assert answer == problem.answer
        for step in steps.split(";"):
            left, right, total = map(int, re.split(r"[+=]", step))
            assert left + right == total
        assert ExactReward(">")(problem, solution_of(problem)) == {"exact": 1.0}


def test_no_evaluation_problem_is_ever_trained_on() -> None:
    data = addition("dataset.operand_max=20", "dataset.terms_max=2", problems=20)
    trained = {data.train_problem(index).prompt for index in range(3000)}
    held_out = {problem.prompt for problem in data.evaluation}
    assert len(held_out) == 20 and len(trained) > 300
    assert not trained & held_out


@pytest.mark.slow
def test_evaluation_problems_are_the_same_for_every_seed_and_training_differs() -> None:
    first, second = addition(seed=0), addition(seed=1)
    assert first.evaluation == second.evaluation
    assert [first.train_problem(i) for i in range(20)] != [second.train_problem(i) for i in range(20)]
    assert [first.train_problem(i) for i in range(20)] == [addition(seed=0).train_problem(i) for i in range(20)]


def test_the_bare_fraction_is_the_share_of_bare_answers() -> None:
    data = addition("dataset.bare_fraction=0.6")
    bare = sum(solution_of(data.train_problem(index)).startswith(">") for index in range(1000))
    assert 550 < bare < 650


def test_the_longest_prompt_is_among_those_offered() -> None:
    data = addition()
    longest = max(len(problem.text) for problem in data.problems())
    assert all(len(data.train_problem(index).prompt) <= longest for index in range(500))


def test_too_few_different_sums_is_a_clear_problem() -> None:
    with pytest.raises(ConfigError, match=r"eval\.problems=100: this dataset holds out only"):
        addition("dataset.operand_max=3", "dataset.terms_max=2")
