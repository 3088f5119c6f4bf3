"""Equality of the final answer, as text and, by math-verify, as mathematics."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from functools import cache
from typing import Any

from math_verify import parse, verify

from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import Parts
from sspo_cli.rewards.remarks import AS_TEXT, EMPTY
from sspo_cli.rewards.text import (
    Final,
    final_answers,
    golds,
    has_answer,
    is_formula,
    is_negated,
    normalised,
    plain,
    says_no,
)

SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d+")
MIXED = re.compile(r"([+-]?)(\d+)\s+(\d+)\s*/\s*(\d+)")
# Times, dates, telephone numbers, hexadecimal numbers and words of letters alone.
NO_MATHEMATICS = re.compile(
    r"\d{1,2}:\d{2}(?::\d{2})?|\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{2,4}|\d{3}-\d{4}|0x[0-9a-f]+|[^\W\d_]{2,}"
)
STATEMENTS = re.compile(r"[=<>;]")
ROUNDED = 1e-5


class MathReward:
    """1 if the final answer of the response equals an accepted answer, else 0.

    An answer is right if it equals the gold as text after normalisation, or has its value by math-verify. A negated
    answer is wrong. A gold that cannot be read as mathematics is compared as text alone. A gold that is empty after
    normalisation gives no score.

    math-verify bounds its own time with an alarm signal, so this must run in the main thread.
    """

    def __call__(self, problem: Problem, response: str) -> Parts | None:
        if not has_answer(problem):
            return None
        return {"math": float(any(is_right(gold, response) for gold in golds(problem)))}

    def remarks(self, problem: Problem) -> list[str]:
        """The topics of remarks.LINES that the answers of `problem` belong to."""
        if not has_answer(problem):
            return [EMPTY]
        return [] if all(expression(gold) for gold in golds(problem)) else [AS_TEXT]


def is_right(gold: str, response: str) -> bool:
    """Whether the final answer of `response` equals `gold`."""
    gold, response = plain(gold), plain(response)
    wanted = normalised(gold)
    if normalised(response) == wanted:
        return True
    finals = final_answers(response)
    if any(normalised(final.text) == wanted and not negated(final, response) for final in finals):
        return True
    value = expression(gold)
    if not value:
        return False
    formulas = [final for final in finals if is_formula(final.text) and is_comparable(final.text, gold)]
    if any(equal(value, read(final.text), gold) and not negated(final, response) for final in formulas):
        return True
    if any(rewritten(final.text) != final.text.strip() for final in formulas):
        return False  # math-verify would take `1 1/2` for 1
    # Behind a mark only what it marks is read; in prose without one math-verify looks for the answer by itself.
    whole = finals[-1] if finals[0].begin > 0 else Final(response, 0, len(response))
    boxed = response[: whole.begin].endswith("{")
    found = parse(f"\\boxed{{{whole.text}}}" if boxed else whole.text)
    if not found or not equal(value, found, gold):
        return False
    # It leaves out what stands around the answer, such as a negation.
    text = str(found[-1])
    begin = response.rfind(text, whole.begin, whole.end)
    seen = Final(text, begin, begin + len(text)) if begin >= 0 else whole
    return says_no(seen.text) == says_no(gold) and not negated(seen, response)


def equal(gold: list[Any], found: list[Any], text: str) -> bool:
    """Whether math-verify takes two parsed answers for equal, and two numbers differ by rounding alone: it compares six
    decimals, which small numbers do not have. `50` stands for `50%`, as there. text: the gold as written."""
    if not verify(gold, found):
        return False
    one, other = as_float(gold[0]), as_float(found[0])
    if one is None or other is None or math.isclose(one, other, rel_tol=ROUNDED):
        return True
    return "%" in text and math.isclose(100 * one, other, rel_tol=ROUNDED)


def as_float(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def is_comparable(text: str, gold: str) -> bool:
    """Whether `text` is one expression as the gold is: both negated or neither, in the same brackets, and with no more
    statements, such as the steps of a derivation."""
    alike = says_no(text) == says_no(gold) and brackets(text) == brackets(gold)
    return alike and (STATEMENTS.search(text) is None or STATEMENTS.search(gold) is not None)


def brackets(text: str) -> str:
    """The brackets around all of `text`, if it is a set, a tuple or an interval."""
    inner = normalised(text)
    return inner[0] + inner[-1] if "," in inner and inner[0] in "([{" and inner[-1] in ")]}" else ""


def negated(final: Final, response: str) -> bool:
    return is_negated(response, final.begin, final.end)


@cache
def expression(gold: str) -> list[Any]:
    """The gold as mathematics; empty where it is none, but words, a time of day or a date."""
    if NO_MATHEMATICS.fullmatch(normalised(gold)):
        return []
    found = read(gold)
    # Letters of a word would be variables, and `yes` the product of three.
    is_word = found and not is_formula(gold) and normalised(str(found[-1])) == normalised(gold)
    return [] if is_word else found


def read(text: str) -> list[Any]:
    """`text`, all of it, as mathematics."""
    return list(parse(f"${rewritten(text)}$"))


def rewritten(text: str) -> str:
    """`text` with numbers that math-verify misreads in another form: 1e-3 as 0.001, 1 1/2 as 1+1/2."""
    text = text.strip()
    if SCIENTIFIC.fullmatch(text):
        return format(Decimal(text), "f")
    if mixed := MIXED.fullmatch(text):
        sign, whole, part, of = mixed.groups()
        return f"{sign}({whole}+\\frac{{{part}}}{{{of}}})"
    return text
