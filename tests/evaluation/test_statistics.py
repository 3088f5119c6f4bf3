from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from sspo_cli.evaluation.evaluate import summarise
from sspo_cli.evaluation.statistics import bootstrap_interval, pass_at_k
from tests.steps import eval_row


@pytest.mark.parametrize(("samples", "correct"), [(4, 0), (4, 1), (4, 3), (4, 4), (7, 2)])
def test_pass_at_k_is_the_share_of_k_subsets_with_a_correct_sample(samples: int, correct: int) -> None:
    outcomes = [1] * correct + [0] * (samples - correct)
    for k in range(1, samples + 1):
        subsets = list(combinations(outcomes, k))
        assert pass_at_k(samples, correct, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


def test_pass_at_more_than_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"outside 1\.\.4"):
        pass_at_k(4, 1, 5)


def test_the_bootstrap_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        low, high = bootstrap_interval(rng.normal(1.0, 2.0, size=80))
        covered += low <= 1.0 <= high
    assert 0.91 < covered / 400 < 0.98


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
