"""Problems as text that a model reads, and as token ids."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jinja2

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.clock import FROZEN_CLOCK, clock
from sspo_cli.data.problem import Problem
from sspo_cli.models.template import end_of_turn

SENTENCEPIECE_SPACE = "\u2581"
LONGEST_REASON = 300  # characters of what a template raises


@dataclass(frozen=True)
class Encoder:
    """Encodes prompts and solutions. prompt_time: the time that a chat template sees, in ISO format."""

    tokenizer: Any
    prompt_time: str | None

    def prompt(self, problem: Problem) -> list[int]:
        """Token ids of a prompt; `encoded` says how."""
        return self.encoded(problem)[1]

    def encoded(self, problem: Problem) -> tuple[str, list[int]]:
        """A prompt as text, before the tokenizer normalises it, and its token ids: through the chat template where the
        tokenizer has one, as plain text otherwise.

        A text is one turn of the user. Messages are rendered as they are, a system message included; a message of the
        assistant at their end stays open, and the response goes on in it. An end token that the tokenizer itself puts
        behind a plain text is left out: the response comes there.

        Raises:
            ConfigError: for messages without a chat template, messages that the template refuses, an empty prompt or
                open message.
        """
        text = self.text(problem)
        if self.tokenizer.chat_template:
            tokens = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        else:
            tokens = self.plain(text)
        if not tokens:
            raise ConfigError([f"{problem.id}: the prompt has no tokens; write a prompt that the model can read"])
        return text, tokens

    def text(self, problem: Problem) -> str:
        if self.tokenizer.chat_template:
            return self.through_template(problem)
        if not isinstance(problem.prompt, str):
            raise ConfigError(
                [
                    f"{problem.id}: the prompt is a list of messages, which needs a chat template, and the model has"
                    " none; use a model with a chat template, give a model=local or model=hub one by"
                    " model.chat_template=FILE, or write the prompt as text, without dataset.system_prompt"
                ]
            )
        return problem.prompt

    def through_template(self, problem: Problem) -> str:
        """What the chat template makes of a prompt."""
        prompt = problem.prompt
        turns = [("user", prompt)] if isinstance(prompt, str) else [(turn.role, turn.content) for turn in prompt]
        chat = [{"role": role, "content": content} for role, content in turns]
        is_open = turns[-1][0] == "assistant"
        if is_open and not turns[-1][1].strip():  # transformers would cut white space that the template put before it
            raise ConfigError([f"{problem.id}: the message of the assistant that the prompt ends with is empty"])
        try:
            template, values = self.tokenizer.get_chat_template(), {}
            if self.prompt_time is not None and "strftime_now" in template:
                template, values = FROZEN_CLOCK + template, clock(self.prompt_time)
            return str(
                self.tokenizer.apply_chat_template(
                    chat,
                    chat_template=template,
                    tokenize=False,
                    add_generation_prompt=not is_open,
                    continue_final_message=is_open,
                    **values,
                )
            )
        except Exception as error:  # a template is code of the user's model, and may raise anything
            roles, reason = ", ".join(role for role, _ in turns), textwrap.shorten(str(error), LONGEST_REASON)
            told = f"{problem.id}: the model's chat template fails on the messages ({roles}): {reason}"
            ways = "write others, or render them by another template, model.chat_template=FILE"
            if isinstance(error, jinja2.UndefinedError) and reason.endswith("is undefined"):
                ways = "give it what it needs by model.template_args, or use another template, model.chat_template=FILE"
            raise ConfigError([f"{told}; {ways}"]) from error

    def plain(self, text: str) -> list[int]:
        found = self.tokenizer(text, return_special_tokens_mask=True)
        tokens, added = list(found["input_ids"]), list(found["special_tokens_mask"])
        while tokens and added[-1] and tokens[-1] in self.end_ids:
            del tokens[-1], added[-1]
        return tokens

    @property
    def end_ids(self) -> tuple[int | None, int | None]:
        return self.tokenizer.eos_token_id, self.tokenizer.sep_token_id

    def solution(self, problem: Problem) -> list[int]:
        """Token ids of the reference solution, with the token that ends a response: the one that the chat template puts
        behind an answer, else the end-of-sequence token.

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
        return [*tokens, self.end_id]

    @cached_property
    def end_id(self) -> int:
        """The token that a response is taught to end with."""
        turn = end_of_turn(self.tokenizer)
        return int(self.tokenizer.eos_token_id if turn is None else turn)

    def normalised(self, text: str) -> str:
        """`text` as the tokenizer normalises it."""
        normalizer = getattr(getattr(self.tokenizer, "backend_tokenizer", None), "normalizer", None)
        return str(normalizer.normalize_str(text)).replace(SENTENCEPIECE_SPACE, " ") if normalizer else text

    def spelled(self, tokens: list[int]) -> str:
        """Token ids as text, with every special token."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=False))
