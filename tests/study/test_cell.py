"""The name of a point: values as they are typed, and no two of them alike."""

from __future__ import annotations

from typing import Any

import pytest

from sspo_cli.study.cell import plain, point_name, short_names


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (1e-5, "1e-05"),
        (0.25, "0.25"),
        (True, "true"),
        (None, "null"),
        ("erf", "erf"),
        (10**9, "1000000000"),
    ],
)
def test_a_value_is_written_as_it_is_typed(value: Any, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(("one", "other"), [(0.1234567, 0.1234568), (1e-5, 1.00000001e-5), (1234567.0, 1234568.0)])
def test_values_that_differ_have_names_that_differ(one: float, other: float) -> None:
    assert point_name({"optim.lr": one}, ["optim.lr"]) != point_name({"optim.lr": other}, ["optim.lr"])


def test_a_key_has_as_few_words_as_tell_it_from_the_others() -> None:
    keys = ["objective.gate.tau_pos", "rollout.temperature", "eval.temperature", "objective/gate"]
    assert list(short_names(keys).values()) == ["tau_pos", "rollout.temperature", "eval.temperature", "gate"]
