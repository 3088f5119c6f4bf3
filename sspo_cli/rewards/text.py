"""Answers as text: one spelling of each, where the final answer of a response is, and whether it is negated."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from sspo_cli.data.problem import Problem

WRAPPER = re.compile(
    r"\\(?:boxed|fbox|text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s*\{([^{}]*)\}"
)
SPACING = re.compile(r"\\(?:[,!;: ]|(?:left|right|displaystyle|quad|qquad)(?![a-zA-Z]))|~")
DELIMITERS = re.compile(r"\\[()\[\]]|\$|\*\*|`")
QUOTES = "\"'“”‘’"
CLOSING = " .,;:"
EXCLAIMED = re.compile(r"(?<=[^\W\d_])!+$")

# Signs that stand for what mathematics writes otherwise.
SIGNS = {"²": "^2", "³": "^3", "−": "-", "⁄": "/"}
ROOT = re.compile(r"√\s*(\w+|\([^()]*\))")
MINUS = re.compile(r"\b(?:minus|negative)\s+(?=[\d.$\\(])", re.IGNORECASE)

BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
TAG = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
HASHES = re.compile(r"####")
LEAD = re.compile(r"\b(?:answer|result|solution)\s*(?:\s(?:is|are|was|would be)\b|[:=])\s*:?", re.IGNORECASE)
CONTRAST = re.compile(r",?\s+(?:and\s+not|not|rather\s+than|instead\s+of)\s", re.IGNORECASE)
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
    r"\bdifferent\s+from|\bunequal\s+to|≠|!=|¬|\\neq?\b|\\not\b|\\lnot\b|\bdoubt|\bfalse\s+that|\bexcept(?:\s+for)?|"
    r"\bno\s+longer|\b(?:less|fewer|more|greater|larger|smaller|bigger)\s+than|\bat\s+(?:least|most)|\bup\s+to|\bbetween|"
    r"\bor\b)"
)
NO_BEFORE = re.compile(rf"{NO}(?:[\s:=,]+(?:{FILLERS})\b)*[\s:=]*$", re.IGNORECASE)
NO_AFTER = re.compile(
    r"\W*?(?:\s(?:is|was|are|be))?\s*(?:"
    r"(?:\bnot|n['’]t|\bnever)\s+(?:the\s+|a\s+|my\s+)?(?:final\s+)?(?:answer|result|solution|right|correct|true|possible|it)\b"
    r"|\s(?:wrong|incorrect|false|impossible)\b"
    r"|\s*[;>|]\s*-?\d|\s*,\s+-?\d"
    r"|\s*(?:or\b|hundred|thousand|million|billion|trillion|squared|cubed|times)\b)",
    re.IGNORECASE,
)
OPENING = re.compile(r"(?:\\(?:boxed|fbox|text|mathrm)\s*\{|\\[(\[]|[\s${(\[*`\"'“‘])+$")


@dataclass(frozen=True)
class Final:
    """A final answer: its text, and where it begins and ends in the response."""

    text: str
    begin: int
    end: int


def golds(problem: Problem) -> list[str]:
    """The accepted answers that are not empty after normalisation."""
    return [answer for answer in problem.answers if normalised(answer)]


def has_answer(problem: Problem) -> bool:
    return bool(golds(problem))


def normalised(text: str) -> str:
    """One spelling: no mark-up, no case, no space beside a sign, no quotes around and no full stop behind."""
    text = plain(text).replace("\\%", "%").replace("\\$", "$")
    text = SPACING.sub(" ", text)
    while (inner := WRAPPER.sub(r"\1", text)) != text:
        text = inner
    text = DELIMITERS.sub("", text)
    text = re.sub(r"\s*([^\w\s])\s*", r"\1", " ".join(text.split())).casefold()
    while (inner := EXCLAIMED.sub("", text.strip(QUOTES).rstrip(CLOSING)).strip()) != text:
        text = inner
    return text


def plain(text: str) -> str:
    """`text` with signs as mathematics writes them: x² as x^2, ½ as 1/2, "minus 3" as -3, wide digits as digits."""
    for sign, written in SIGNS.items():
        text = text.replace(sign, written)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/")
    return MINUS.sub("-", ROOT.sub(r"\\sqrt{\1}", text))


def final_answers(response: str) -> list[Final]:
    """Texts that may be the final answer: in the last box or answer tag, else behind the last `####` or `answer is`,
    else all of the response and its last line. The last of them is the longest but for the last line."""
    if boxed := last_box(response):
        return [boxed]
    if tagged := list(TAG.finditer(response)):
        return [Final(tagged[-1][1], tagged[-1].start(1), tagged[-1].end(1))]
    if found := [mark for pattern in (HASHES, LEAD) for mark in list(pattern.finditer(response))[-1:]][:1]:
        begin = len(response) - len(response[found[0].end() :].lstrip())
        return [Final(response[begin:end], begin, end) for end in sorted(set(ends(response, begin)))]
    stripped = response.rstrip()
    begin = stripped.rfind("\n") + 1
    return [Final(stripped[at:], at, len(stripped)) for at in sorted({0, begin})]


def ends(response: str, begin: int) -> Iterator[int]:
    """Of what begins there: the end of its line, of its sentence, and where it says what the answer is not."""
    line = response.find("\n", begin)
    yield len(response) if line < 0 else line
    for pattern in (SENTENCE_END, CONTRAST):
        found = pattern.search(response, begin)
        yield found.start() if found else len(response) if line < 0 else line


def last_box(response: str) -> Final | None:
    """What is inside the last box whose braces are closed."""
    boxes = {opening.end() - 1: opening.end() for opening in BOX.finditer(response)}
    if not boxes:
        return None
    opened: list[int] = []
    last = None
    for place in range(min(boxes), len(response)):
        if response[place] == "{":
            opened.append(place)
        elif response[place] == "}" and opened:
            begin = boxes.get(opened.pop())
            if begin is not None and (last is None or begin > last.begin):
                last = Final(response[begin:place], begin, place)
    return last


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
