"""The figures of one evaluation."""

from __future__ import annotations

from sspo_cli.evaluation.evaluate import summarise
from tests.steps import eval_row


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
