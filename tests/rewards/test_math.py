"""Equality of final answers under reward=math."""

from __future__ import annotations

import pytest

from sspo_cli.data.problem import Problem
from sspo_cli.rewards.base import InProcessRewarder, Judge
from sspo_cli.rewards.math import MathReward
from sspo_cli.rewards.text import normalised
from sspo_cli.types import Key

EQUAL_IN_VALUE = [
    ("122", "so the answer is \\boxed{122}"),
    ("122", "\\boxed{122.0}"),
    ("122", "$\\frac{244}{2}$"),
    ("1+x^2", "x^2+1"),
    ("x^2+1", "Answer: 1 + x^2"),
    ("1/2", "0.5"),
    ("50%", "0.5"),
    ("1,000", "1000"),
    ("3 apples", "3"),
    ("x=5", "5"),
    ("{1,2}", "{2,1}"),
    ("1e-3", "0.001"),
    ("1 1/2", "1.5"),
    ("7", "so 3+4=7"),
    ("-3", "The answer is negative 3"),
    ("42", "<think>41</think><answer>42</answer>"),
    ("√2", "\\boxed{\\sqrt{2}}"),
    ("x²", "\\boxed{x^2}"),
    ("1/2", "½"),
    ("5", "５"),
    ("50%", "50"),
    ("1/3", "0.333333"),
    ("3!", "\\boxed{6}"),
    ("12", "The answer is:\n12"),
    ("12", "\\boxed{13} no, \\boxed{12}"),
    ("x=5", "x = 10/2"),
    ("{1,2}", "the set is \\boxed{\\{2, 1\\}}"),
    ("(1, 1/2)", "(1, 0.5)"),
    ("\\frac{1}{2}", "$\\frac12$"),
]
EQUAL_AS_TEXT = [
    ("(1, 2)", "(1,2)"),
    ("(1, 2)", "The answer is (1,2)."),
    ("(1, 2)", "\\boxed{(1,2)}"),
    ("(1, 2)", "so we have\n(1, 2)\n"),
    ("2:30", "2:30"),
    ("2:30", "The answer is 2:30."),
    ("yes", "yes"),
    ("yes", "The answer is **Yes**."),
    ("Paris", "\\text{Paris}"),
    ("B", "(B) \\boxed{b}"),
    ("1e-3", "1e-3"),
    ("not 12", "not 12"),
    ("-3", "−3"),
    ("12", "#### 12"),
    ("Paris", "The answer is Paris, not London."),
    ("yes", "Yes!"),
]
WRONG = [
    ("122", "\\boxed{121}"),
    ("122", ""),
    ("yes", "no"),
    ("yes", "yse"),  # the letters are no variables
    ("2:30", "1/15"),  # nor is a time of day a ratio
    ("10:05", "2"),
    ("2024-01-05", "2018"),  # nor a date a difference
    ("1 1/2", "1"),
    ("1", "1 1/2"),
    ("3", "3 is too small, so 12"),
    ("12", "The answer is minus 12."),
    ("-12", "12"),
    ("ab", "The answer is ba."),
    ("Au", "ua"),
    ("1e-9", "2e-9"),
    ("1e-9", "\\boxed{5e-8}"),
    ("6.626e-34", "\\boxed{1e-20}"),
    ("3!", "\\boxed{3}"),
    ("12", "The answer is 12 thousand"),
    ("12", "The answer is less than 12"),
    ("12", "at least 12"),
    ("12", "The answer is 12 or 13."),
    ("13", "The answer is 12 or 13."),
    ("3", "The answer is 3, 4"),
    ("12", "#### 13\n12"),
    ("1/2/2024", "0.000247"),
    ("555-1234", "-679"),
    ("0x10", "0"),
    ("6", "1+5=6;70"),
    ("6", "1+5=6>70"),
    ("6", "6;7"),
    ("(1, 2)", "{1,2}"),
    ("(1, 2)", "[1,2]"),
    ("[1, 2]", "[1,2)"),
]
NEGATED = [
    "definitely not 12",
    "Not 12",
    "It isn't 12",
    "The answer is not \\boxed{12}",
    "\\boxed{\\neq 12}",
    "\\boxed{\\text{not }12}",
    "the answer cannot be 12.",
    "12 is not the answer",
    "12 is wrong",
    "x \\neq 12",
    "x != 12",
    "It doesn't equal 12",
    "not equal to $12$",
    "anything but 12",
    "It is not true that the answer is 12",
    "#### not 12",
    "I doubt the answer is 12",
    "It is false that the answer is 12.",
    "anything except 12",
]
NOT_NEGATED = [
    "not 13, 12",
    "not 13 but 12",
    "The answer is not 13 but 12.",
    "I am not sure, but 12",
    "The answer is 12, which is not negative.",
    "Since 5 is not prime the answer is 12",
    "the answer is 12 and not 13",
]


def reward(answer: str | tuple[str, ...], response: str) -> float | None:
    found = MathReward()(Problem("p", "?", answer, None), response)
    return None if found is None else found["math"]


@pytest.mark.parametrize(("answer", "response"), EQUAL_IN_VALUE + EQUAL_AS_TEXT)
def test_an_answer_that_equals_the_gold_is_right(answer: str, response: str) -> None:
    assert reward(answer, response) == 1


@pytest.mark.parametrize(("answer", "response"), WRONG)
def test_another_answer_is_wrong(answer: str, response: str) -> None:
    assert reward(answer, response) == 0


@pytest.mark.parametrize("response", NEGATED)
def test_a_negated_answer_is_wrong(response: str) -> None:
    assert reward("12", response) == 0


@pytest.mark.parametrize("response", NOT_NEGATED)
def test_another_negation_beside_the_answer_does_not_make_it_wrong(response: str) -> None:
    assert reward("12", response) == 1


def test_the_best_of_several_golds_counts() -> None:
    assert [reward(("4", "four"), response) for response in ("4.0", "Four", "5")] == [1, 1, 0]
    assert reward(("", "4"), "4") == 1, "an empty gold beside others is left out"


@pytest.mark.parametrize("answer", ["", "  ", "$$", "\\boxed{}", "\\text{ }", ("", "$ $")])
def test_an_empty_gold_is_not_scored_whatever_the_response(answer: str | tuple[str, ...]) -> None:
    assert [reward(answer, response) for response in ("", "12", "\\boxed{}")] == [None] * 3


def test_golds_that_are_no_mathematics_are_counted_once_with_their_ids() -> None:
    rewarder = InProcessRewarder(MathReward(), Judge())
    golds = {"a": "two words", "b": "12", "c": "yes", "d": "2:30", "e": "Paris", "f": ""}
    for _ in range(2):
        problems = [Problem(name, "?", gold, None) for name, gold in golds.items()]
        list(rewarder.score((Key("train", 1, i, 0), problem, "12") for i, problem in enumerate(problems)))
    text, empty = rewarder.notes["compared as text"], rewarder.notes["empty answers"]
    assert "4 problems (a, c, d, ...) cannot be read as mathematics" in text
    assert "1 problem (f) are empty" in empty


def test_normalised_text_keeps_what_tells_answers_apart() -> None:
    different = ["12", "1 2", "1.2", "-12", "(1,2)", "1/2", "x y", "xy", "12%"]
    assert len({normalised(text) for text in different}) == len(different)
    assert normalised(' "The  Answer" .') == "the answer" and normalised("$\\left( 1 , 2 \\right)$") == "(1,2)"
