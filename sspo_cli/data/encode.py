"""Problems as token ids."""

from __future__ import annotations

from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Dataset, Problem


def encode_prompt(tokenizer: Any, prompt: str) -> list[int]:
    """Token ids of a prompt: through the chat template where the tokenizer has one, as plain text otherwise."""
    if not tokenizer.chat_template:
        return list(tokenizer(prompt)["input_ids"])
    chat = [{"role": "user", "content": prompt}]
    return list(tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"])


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
    """Tokens of the longest prompt that the dataset can ask."""
    return max(len(encode_prompt(tokenizer, prompt)) for prompt in dataset.prompts())
