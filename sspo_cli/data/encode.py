"""Problems as token ids."""

from __future__ import annotations

from typing import Any

from jinja2 import TemplateError

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Dataset, Problem


def encode_prompt(tokenizer: Any, problem: Problem) -> list[int]:
    """Token ids of a prompt: through the chat template where the tokenizer has one, as plain text otherwise.

    A text is one turn of the user. Messages are rendered as they are, a system message included.

    Raises:
        ConfigError: for messages without a chat template, or messages that the template refuses.
    """
    prompt = problem.prompt
    if not tokenizer.chat_template:
        if not isinstance(prompt, str):
            raise ConfigError(
                [
                    f"{problem.id}: the prompt is a list of messages, which needs a chat template, and the model's"
                    " tokenizer has none; use a model with a chat template, or write the prompt as text"
                ]
            )
        return list(tokenizer(prompt)["input_ids"])
    turns = [("user", prompt)] if isinstance(prompt, str) else [(turn.role, turn.content) for turn in prompt]
    chat = [{"role": role, "content": content} for role, content in turns]
    try:
        encoded = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)
    except TemplateError as error:
        roles = ", ".join(role for role, _ in turns)
        raise ConfigError(
            [f"{problem.id}: the model's chat template refuses the messages ({roles}): {' '.join(str(error).split())}"]
        ) from error
    return list(encoded["input_ids"])


def encode_solution(tokenizer: Any, problem: Problem) -> list[int]:
    """Token ids of the reference solution, with the end-of-sequence token.

    Raises:
        ConfigError: if the problem has no solution.
    """
    if problem.solution is None:
        raise ConfigError(
            [f"{problem.id}: has no reference solution to learn from; set dataset.solution_field or another objective"]
        )
    return [*tokenizer(problem.solution, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]


def longest_prompt(tokenizer: Any, dataset: Dataset) -> int:
    """Tokens of the longest prompt that the dataset can ask.

    Raises:
        ConfigError: for a prompt that cannot be encoded.
    """
    return max(len(encode_prompt(tokenizer, problem)) for problem in dataset.problems())
