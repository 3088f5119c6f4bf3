"""Problems as token ids, and what a user should know about that."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Dataset, Problem

IDS_SHOWN = 3
RENDERED_AGAIN = 3
SENTENCEPIECE_SPACE = "\u2581"


# The template's clock, as a macro of its own that stands in its place: functions cannot be passed to a template. It
# reads the format from left to right, as strftime does; what is no directive stays as it is.
FROZEN_CLOCK = (
    "{%- macro strftime_now(format) -%}{%- set read = namespace(text='', open='') -%}"
    "{%- for character in format -%}"
    "{%- if read.open or character == '%' -%}"
    "{%- set read.open = read.open + character -%}"
    "{%- if read.open in directives -%}"
    "{%- set read.text = read.text + directives[read.open] -%}{%- set read.open = '' -%}"
    "{%- elif read.open | length > longest -%}"
    "{%- set read.text = read.text + read.open -%}{%- set read.open = '' -%}"
    "{%- endif -%}"
    "{%- else -%}{%- set read.text = read.text + character -%}{%- endif -%}"
    "{%- endfor -%}{{- read.text + read.open -}}{%- endmacro -%}"
)
LETTERS, FLAGS = string.ascii_letters + "%+", ("", "-", "_", "^", "#", "0", "E", "O")


@cache
def clock(time: str) -> dict[str, Any]:
    """What the macro reads: all that strftime writes at `time`, by directive, and how long a directive can be."""
    moment = datetime.fromisoformat(time)
    written = {word: moment.strftime(word) for word in (f"%{flag}{letter}" for flag in FLAGS for letter in LETTERS)}
    return {"directives": {word: text for word, text in written.items() if text != word}, "longest": 2}


@dataclass(frozen=True)
class Encoder:
    """Encodes prompts and solutions. prompt_time: the time that a chat template sees, in ISO format."""

    tokenizer: Any
    prompt_time: str | None

    def prompt(self, problem: Problem) -> list[int]:
        """Token ids of a prompt: through the chat template where the tokenizer has one, as plain text otherwise.

        A text is one turn of the user. Messages are rendered as they are, a system message included. An end token that
        the tokenizer itself puts behind a plain text is left out: the response comes there.

        Raises:
            ConfigError: for messages without a chat template, messages that the template refuses, an empty prompt.
        """
        if self.tokenizer.chat_template:
            tokens = list(self.through_template(problem, tokenize=True, return_dict=True)["input_ids"])
        else:
            tokens = self.plain(problem)
        if not tokens:
            raise ConfigError([f"{problem.id}: the prompt has no tokens; write a prompt that the model can read"])
        return tokens

    def through_template(self, problem: Problem, **options: Any) -> Any:
        """What the chat template makes of a prompt, as tokens or as text."""
        prompt = problem.prompt
        turns = [("user", prompt)] if isinstance(prompt, str) else [(turn.role, turn.content) for turn in prompt]
        chat = [{"role": role, "content": content} for role, content in turns]
        try:
            template = self.tokenizer.get_chat_template()
            if self.prompt_time is not None and "strftime_now" in template:
                template, options = FROZEN_CLOCK + template, {**options, **clock(self.prompt_time)}
            return self.tokenizer.apply_chat_template(
                chat, chat_template=template, add_generation_prompt=True, **options
            )
        except Exception as error:  # a template is code of the user's model, and may raise anything
            roles, reason = ", ".join(role for role, _ in turns), " ".join(str(error).split())
            raise ConfigError(
                [f"{problem.id}: the model's chat template fails on the messages ({roles}): {reason}"]
            ) from error

    def plain(self, problem: Problem) -> list[int]:
        if not isinstance(problem.prompt, str):
            raise ConfigError(
                [
                    f"{problem.id}: the prompt is a list of messages, which needs a chat template, and the model's"
                    " tokenizer has none; use a model with a chat template, or write the prompt as text"
                ]
            )
        found = self.tokenizer(problem.prompt, return_special_tokens_mask=True)
        tokens, added = list(found["input_ids"]), list(found["special_tokens_mask"])
        while tokens and added[-1] and tokens[-1] in self.end_ids:
            del tokens[-1], added[-1]
        return tokens

    @property
    def end_ids(self) -> tuple[int | None, int | None]:
        return self.tokenizer.eos_token_id, self.tokenizer.sep_token_id

    def solution(self, problem: Problem) -> list[int]:
        """Token ids of the reference solution, with the end-of-sequence token.

        Raises:
            ConfigError: if the problem has no solution.
        """
        if problem.solution is None:
            raise ConfigError(
                [
                    f"{problem.id}: has no reference solution to learn from; set dataset.solution_field or another"
                    " objective"
                ]
            )
        tokens = self.tokenizer(problem.solution, add_special_tokens=False)["input_ids"]
        return [*tokens, self.tokenizer.eos_token_id]

    def text(self, problem: Problem) -> str:
        """What is turned into tokens, before the tokenizer normalises it."""
        if not self.tokenizer.chat_template:
            return problem.text
        return str(self.through_template(problem, tokenize=False))

    def normalised(self, text: str) -> str:
        """`text` as the tokenizer normalises it."""
        normalizer = getattr(getattr(self.tokenizer, "backend_tokenizer", None), "normalizer", None)
        return str(normalizer.normalize_str(text)).replace(SENTENCEPIECE_SPACE, " ") if normalizer else text


@dataclass
class PromptReport:
    """What the prompts of a dataset are as tokens.

    longest: tokens of the longest. lost: characters without a token, of the prompts `losing`. special, templated,
    normalised: ids of prompts that hold special tokens as text, or are changed by the template or the normaliser.
    ended: ids of prompts that the chat template ends with an end token. shortened: the tokenizer's end token is left
    out of the prompts.
    """

    longest: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    losing: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    templated: list[str] = field(default_factory=list)
    normalised: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    shortened: bool = False

    @property
    def notes(self) -> list[str]:
        """Lines for the user."""
        often = " ".join(character for character, _ in self.lost.most_common(IDS_SHOWN))
        count = sum(self.lost.values())
        told = [
            (self.losing, f"{count} characters have no token (most often {often}), so the model cannot read them"),
            (self.special, "special tokens of the tokenizer stand in the text, and the model reads them as such"),
            (self.templated, "the chat template changes the text"),
            (self.ended, "the chat template ends the prompt with an end token, after which a response may be empty"),
            (self.normalised, "the tokenizer's normaliser changes letters of the text"),
        ]
        lines = [f"prompts: {what}: {of_prompts(ids)}" for ids, what in told if ids]
        if self.shortened:
            lines.append("prompts: the tokenizer adds an end token to every text, which is left out of prompts")
        return lines


def check_prompts(encoder: Encoder, dataset: Dataset) -> PromptReport:
    """Encode every prompt that the dataset lists, and tell what is not as it was written.

    Raises:
        ConfigError: for a prompt that cannot be encoded.
    """
    found = PromptReport()
    first = [*dataset.evaluation[:2]]
    for problem in dict.fromkeys([*dataset.problems(), *dataset.evaluation]):
        tokens = encoder.prompt(problem)
        if problem in first and any(encoder.prompt(problem) != tokens for _ in range(RENDERED_AGAIN)):
            raise ConfigError(
                [f"{problem.id}: the model's chat template gives another prompt each time; use one that does not draw"]
            )
        found.longest = max(found.longest, len(tokens))
        if encoder.tokenizer.chat_template:
            found.ended += [problem.id] if tokens[-1] in encoder.end_ids else []
        else:
            found.shortened |= len(encoder.tokenizer(problem.text)["input_ids"]) > len(tokens)
        text = encoder.text(problem)
        normalised = encoder.normalised(text)
        contents = [problem.prompt] if isinstance(problem.prompt, str) else [turn.content for turn in problem.prompt]
        if missing := letters(normalised) - letters(encoder.tokenizer.decode(tokens)):
            found.lost += missing
            found.losing.append(problem.id)
        if any(token in content for token in encoder.tokenizer.all_special_tokens for content in contents):
            found.special.append(problem.id)
        if any(content not in text for content in contents):
            found.templated.append(problem.id)
        if squeezed(text) != squeezed(normalised):
            found.normalised.append(problem.id)
    return found


def squeezed(text: str) -> str:
    """Without white space, which tokenizers add and drop."""
    return "".join(text.split())


def letters(text: str) -> Counter[str]:
    """How often every character is there, but for white space."""
    return Counter(squeezed(text))


def of_prompts(ids: list[str]) -> str:
    first = ", ".join(ids[:IDS_SHOWN]) + (", ..." if len(ids) > IDS_SHOWN else "")
    return f"{len(ids)} prompt{'s' if len(ids) > 1 else ''} ({first})"
