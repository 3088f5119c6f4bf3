"""Published data sets: their splits, the fields of their rows, and where the final answer is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from sspo_cli.data.fields import BadField, as_text, kind
from sspo_cli.rewards.text import last_box

MARK = "####"
BARE_BOX = re.compile(r"\\boxed\s+([^$]+)")
SUBJECTS = (
    *("algebra", "counting_and_probability", "geometry", "intermediate_algebra", "number_theory", "prealgebra"),
    "precalculus",
)
# What stands around every question of DAPO-Math-17k.
DAPO_BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of the form Answer:"
    " $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
DAPO_BEHIND = '\n\nRemember to put your answer on its own line after "Answer:".'

Read = Callable[[Any], str]


def after_mark(value: Any) -> str:
    """GSM8K's: what stands behind the last ####, without commas between digits."""
    _, mark, answer = as_text(value).rpartition(MARK)
    if not mark:
        raise BadField(f"has no final answer after '{MARK}'")
    return answer.strip().replace(",", "")


def in_box(value: Any) -> str:
    """MATH's: what is inside the last \\boxed{}, or behind a \\boxed without braces up to the end of the formula."""
    text = as_text(value)
    boxes = [(found.begin, found.text)] if (found := last_box(text)) else []
    boxes += [(bare.start(1), bare[1].rstrip(" .,")) for bare in BARE_BOX.finditer(text)]
    if not boxes:
        raise BadField("has no final answer in \\boxed{}")
    return max(boxes)[1].strip()


def whole_number(value: Any) -> str:
    """A number without leading zeros or decimals, as those of AIME and AMC are; another text as it is."""
    text = as_text(value).strip()
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return str(int(number)) if number.is_finite() and number == number.to_integral_value() else text


def ground_truth(value: Any) -> str:
    """What the rules of `reward_model` compare with."""
    if not isinstance(value, Mapping) or "ground_truth" not in value:
        raise BadField(f"is {kind(value)}: must be an object with ground_truth")
    return as_text(value["ground_truth"]).strip()


def as_question(value: Any) -> str:
    """A text that is not empty."""
    text = as_text(value).strip()
    if not text:
        raise BadField("is empty")
    return text


def dapo_question(value: Any) -> str:
    """The question inside the one message of the user, or the text, without the words that ask for a form."""
    if isinstance(value, list):
        contents = [turn.get("content") for turn in value if isinstance(turn, dict) and turn.get("role") == "user"]
        if len(value) != 1 or len(contents) != 1:
            raise BadField("must be one message of the user")
        value = contents[0]
    return as_question(as_question(value).removeprefix(DAPO_BEFORE.strip()).removesuffix(DAPO_BEHIND.strip()))


@dataclass(frozen=True)
class Facts:
    """One data set. configs: those that make it up on the hub, none where it has one alone. train and test: its splits.

    question, answer and solution: the fields, and how the first two are read. unread: fields that are left out, for
    they are large. repeats: whether rows are there more than once.
    """

    train: str | None
    test: str | None
    question: str
    answer: str
    read_answer: Read
    solution: str | None = None
    read_question: Read = as_question
    configs: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    repeats: bool = False


FACTS: Mapping[str, Facts] = {
    "gsm8k": Facts("train", "test", "question", "answer", after_mark, "answer", configs=("main",)),
    "math": Facts("train", "test", "problem", "solution", in_box, "solution", configs=SUBJECTS),
    "math500": Facts(None, "test", "problem", "answer", as_question, "solution"),
    "aime24": Facts(None, "train", "problem", "answer", whole_number, "solution"),
    "aime25": Facts(None, "test", "problem", "answer", whole_number),
    "amc23": Facts(None, "test", "question", "answer", whole_number),
    "deepmath": Facts(
        *("train", None, "question", "final_answer", as_question),
        unread=("r1_solution_1", "r1_solution_2", "r1_solution_3"),
    ),
    "dapo_math_17k": Facts(
        *("train", None, "prompt", "reward_model", ground_truth), read_question=dapo_question, repeats=True
    ),
}
