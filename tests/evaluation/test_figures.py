"""The figures of one evaluation."""

from __future__ import annotations

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig
from sspo_cli.data.problem import Problem
from sspo_cli.evaluation.evaluate import evaluate, summarise
from sspo_cli.types import Key
from tests.sampling import ShuffledSampler, shuffled_collector
from tests.steps import eval_row
from tests.tiny_models import random_policy


def test_intervals_are_over_problems_not_samples() -> None:
    rows = [
        eval_row(correct=problem % 2 == 0, reward=float(problem % 2 == 0)) for problem in range(20) for _ in range(50)
    ]
    metrics = summarise(rows, samples=50)
    assert metrics["eval/accuracy"] == 0.5
    # 20 problems, each wholly right or wrong: the standard error is 0.11, not that of 1,000 independent samples.
    assert metrics["eval/accuracy_high"] - metrics["eval/accuracy_low"] > 0.3
    assert metrics["eval/pass@32"] == 0.5


def test_a_response_that_could_not_be_scored_is_counted_and_not_correct() -> None:
    rows = [eval_row(correct=False, reward=float("nan"))] + [eval_row(correct=True, reward=1.0)] * 3
    metrics = summarise(rows, samples=2)
    assert (metrics["eval/accuracy"], metrics["eval/unscored"], metrics["eval/reward"]) == (0.75, 0.25, 1.0)


def test_problems_without_an_answer_have_no_part_in_accuracy_and_pass_at_k() -> None:
    judged = [eval_row(correct=k < 1, reward=float(k < 1)) for k in range(4)]
    unjudged = [eval_row(correct=None, reward=float("nan"), length=9)] * 4
    alone, together = summarise(judged, samples=4), summarise([*unjudged, *judged, *unjudged], samples=4)
    for name in ("eval/accuracy", "eval/accuracy_low", "eval/accuracy_high", "eval/pass@2", "eval/pass@4"):
        assert together[name] == alone[name]
    assert (alone["eval/accuracy"], alone["eval/pass@2"], alone["eval/pass@4"]) == (0.25, 0.5, 1.0)
    assert together["eval/unscored"] == 8 / 12 and together["eval/length"] == (5 + 9 + 9) / 3


def test_an_evaluation_has_a_row_for_each_key_with_its_own_score() -> None:
    """Samples and scores come in random order. The last digit of a response is the number of its sample."""
    settings = load_config(EvalConfig, ["model=tiny", "eval.samples=3", "reward.on_error=skip"])
    problems = [Problem(f"p{p}", f"{p}+1=", "" if p == 2 else str(p + 1), None) for p in range(4)]

    def reward(problem: Problem, response: str) -> float | None:
        return float(int(problem.id[1:]) <= int(response[-1])) if problem.answer else None

    policy = random_policy()
    collector = shuffled_collector(policy, reward)
    found = evaluate(collector, problems, settings, lambda *now: None, step=5)
    assert isinstance(collector.sampler, ShuffledSampler)
    assert {item.key for item in collector.sampler.asked} == {Key("eval", 5, p, k) for p in range(4) for k in range(3)}
    for row, (p, k) in zip(found.rows, [(p, k) for p in range(4) for k in range(3)], strict=True):
        assert (row.problem, row.sample, row.response, row.step) == (f"p{p}", k, f"{p}+1={k}", 5)
        assert row.correct is (None if p == 2 else p <= k)
    assert found.metrics["eval/accuracy"] == pytest.approx((3 + 2 + 0) / 9)
    assert (found.metrics["eval/errors"], found.metrics["eval/unscored"]) == (0, 3 / 12)
    with pytest.raises(ConfigError, match="none of the 1 held-out problems has an answer"):
        evaluate(collector, problems[2:3], settings, lambda *now: None)
