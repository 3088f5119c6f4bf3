"""Answers as text: one spelling of each, where the final answer of a response is, and whether it is negated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

WRAPPER = re.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
SPACING = re.compile(r"\\(?:[,!;: ]|(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z]))|~")
DELIMITERS = re.compile(r"\\[()\[\]]|\$|\*\*|`")
QUOTES = "\"'“”‘’"
CLOSING = " .,;:!"

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
HASHES = re.compile(r"####")
LEAD = re.compile(r"\b(?:answer|result|solution)\s*(?:\s(?:is|are|was|would be)\b|[:=])\s*:?", re.IGNORECASE)
SENTENCE_END = re.compile(r"[.;!?](?:\s|$)|\n")

FORMULA_WORDS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln"),
    *("exp", "sqrt", "abs", "min", "max", "mod", "gcd", "lcm", "det", "lim", "inf", "infty", "frac", "pi"),
}
SHORT_WORDS = {
    *("am", "an", "as", "at", "be", "by", "do", "go", "he", "if", "in", "is", "it", "me", "my", "no", "of", "ok"),
    *("on", "or", "pm", "so", "to", "up", "us", "we"),
}

FILLERS = (
    "equal|equals|to|exactly|quite|really|actually|simply|just|definitely|necessarily|always|about|approximately|be|been|"
    "the|a|an|its?|this|that|number|value|answer|result|solution|final|correct|right|true|is|are|was|going"
)
NO = (
    r"(?:\bnot|n['’]t|\bcannot|\bnever|\bneither|\bnor|\brather\s+than|\binstead\s+of|\bother\s+than|\banything\s+but|"
    r"\bdifferent\s+from|\bunequal\s+to|≠|!=|¬|\\neq?\b|\\not\b|\\lnot\b)"
)
NO_BEFORE = re.compile(rf"{NO}(?:[\s:=,]+(?:{FILLERS})\b)*[\s:=]*$", re.IGNORECASE)
NO_AFTER = re.compile(
    r"\W*?(?:\s(?:is|was|are|be))?\s*(?:"
    r"(?:\bnot|n['’]t|\bnever)\s+(?:the\s+|a\s+|my\s+)?(?:final\s+)?(?:answer|result|solution|right|correct|true|possible|it)\b"
    r"|\s(?:wrong|incorrect|false|impossible)\b)",
    re.IGNORECASE,
)
OPENING = re.compile(r"(?:\\(?:boxed|fbox|text|mathrm)\s*\{|\\[(\[]|[\s${(\[*`\"'“‘])+$")


@dataclass(frozen=True)
class Final:
    """A final answer: its text, and where it begins and ends in the response."""

    text: str
    begin: int
    end: int


def normalised(text: str) -> str:
    """One spelling: no mark-up, no case, no space beside a sign, no quotes around and no full stop behind."""
    text = unicodedata.normalize("NFC", text).replace("−", "-").replace("\\%", "%").replace("\\$", "$")
    text = SPACING.sub(" ", text)
    while (inner := WRAPPER.sub(r"\1", text)) != text:
        text = inner
    text = DELIMITERS.sub("", text)
    text = re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split())).casefold()
    while (inner := text.strip(QUOTES).rstrip(CLOSING).strip()) != text:
        text = inner
    return text


def final_answers(response: str) -> list[Final]:
    """Texts that may be the final answer: in the last box, else behind the last `####` or `answer is`, else all of the
    response and its last line."""
    if boxed := last_box(response):
        return [boxed]
    for mark in (HASHES, LEAD):
        found = list(mark.finditer(response))
        if found:
            begin = found[-1].end()
            return [Final(response[begin:end], begin, end) for end in sorted(set(ends(response, begin)))]
    stripped = response.rstrip()
    begin = stripped.rfind("\n") + 1
    return [Final(stripped[at:], at, len(stripped)) for at in sorted({0, begin})]


def ends(response: str, begin: int) -> Iterator[int]:
    """Of what begins there: the end of its line, and of its sentence."""
    line = response.find("\n", begin)
    yield len(response) if line < 0 else line
    sentence = SENTENCE_END.search(response, begin)
    yield sentence.start() if sentence else len(response)


def last_box(response: str) -> Final | None:
    """What is inside the last box whose braces are closed."""
    for opening in reversed(list(BOX.finditer(response))):
        depth = 1
        for place in range(opening.end(), len(response)):
            depth += {"{": 1, "}": -1}.get(response[place], 0)
            if not depth:
                return Final(response[opening.end() : place], opening.end(), place)
    return None


def is_formula(text: str) -> bool:
    """Whether no word of prose is in it: letters of a formula stand alone, in pairs, or name a function."""
    bare = re.sub(r"\\[a-zA-Z]+", " ", WRAPPER.sub(" ", text))
    words = [word.casefold() for word in re.findall(r"[^\W\d_]+", bare)]
    return not any(word in SHORT_WORDS or (len(word) > 2 and word not in FORMULA_WORDS) for word in words)


def says_no(text: str) -> bool:
    """Whether a negation is anywhere in the text."""
    return re.search(NO, text, re.IGNORECASE) is not None


def is_negated(response: str, begin: int, end: int) -> bool:
    """Whether the words right before or behind response[begin:end] deny it: `not 12`, `12 is wrong`."""
    before = OPENING.sub(" ", response[:begin])
    return NO_BEFORE.search(before) is not None or NO_AFTER.match(response, end) is not None
