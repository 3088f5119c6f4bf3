from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sspo_cli.study import course


def test_area_is_the_mean_height_over_unequal_steps() -> None:
    assert course.area(np.array([0.0, 2.0, 10.0]), np.array([0.0, 1.0, 1.0])) == pytest.approx((1 + 8) / 10)
    assert course.area(np.array([5.0]), np.array([0.3])) == 0.3


def test_the_threshold_lies_three_quarters_of_the_way_to_the_best() -> None:
    assert course.threshold_for([0.1, 0.3], [0.4, 0.6], sign=1) == pytest.approx(0.2 + 0.75 * 0.4)
    assert course.threshold_for([4.0, 4.0], [3.0, 2.0], sign=-1) == pytest.approx(2.5)
    assert course.threshold_for([0.5], [0.4], sign=1) is None


def test_the_first_step_at_the_threshold_counts_even_if_it_is_lost_again() -> None:
    step, value = np.array([0.0, 5.0, 10.0, 15.0]), np.array([0.1, 0.6, 0.4, 0.7])
    assert course.steps_to(step, value, 0.6, sign=1) == 5
    assert course.steps_to(step, -value, -0.65, sign=-1) == 15
    assert course.steps_to(step, value, 0.8, sign=1) is None


@pytest.mark.parametrize(
    ("value", "fell"),
    [
        ([0.1, 0.8, 0.3], True),  # lost 0.5 of a gain of 0.7
        ([0.1, 0.8, 0.5], False),
        ([0.1, 0.8, 0.05], True),
        ([0.1, 0.15, 0.1], False),  # all of it lost, but within the noise
        ([0.1, 0.5, 0.8], False),
    ],
)
def test_a_run_fell_if_it_lost_half_of_its_gain_and_more_than_noise(value: list[float], fell: bool) -> None:
    assert course.collapsed(np.array(value), sign=1, noise=0.03) is fell
    assert course.collapsed(-np.array(value), sign=-1, noise=0.03) is fell
    assert course.drawdown(np.array(value), sign=1) == pytest.approx(max(value) - value[-1])


def test_the_end_is_the_last_quarter_of_the_steps() -> None:
    rows = [{"step": step, "x": float(step)} for step in range(1, 9)] + [{"step": 9}]
    assert course.late_mean(rows, "x") == 7.5
    assert course.late_mean(rows, "y") is None


def test_the_accuracy_of_one_source_is_over_its_problems_alone() -> None:
    rows = [
        {"step": step, "problem": f"{source}/{number}", "sample": 0, "source": source, "correct": source == "b"}
        for step in (0, 4)
        for source in ("a", "b")
        for number in range(2)
    ]
    run = cast(Any, SimpleNamespace(answers=rows))
    assert course.per_problem(run, "eval/accuracy/b") == {"b/0": 1.0, "b/1": 1.0}
    assert course.per_problem(run, "eval/accuracy") == {"a/0": 0.0, "a/1": 0.0, "b/0": 1.0, "b/1": 1.0}
    assert course.per_problem(run, "reward/mean/b") is None
