"""Whether the problems fit the model."""

from __future__ import annotations

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset
from sspo_cli.models.policy import Policy


def check_positions(policy: Policy, longest: int, max_response_length: int) -> None:
    """Refuse prompts that leave no room for a response of `max_response_length` tokens. longest: of the prompts.

    Raises:
        ConfigError: naming the longest prompt's length and the model's positions.
    """
    positions = policy.positions
    if positions is not None and longest + max_response_length > positions:
        raise ConfigError(
            [
                f"dataset: the longest prompt has {longest} tokens, which with a response of {max_response_length}"
                f" exceeds the model's {positions} positions; shorten the prompts or the response length"
            ]
        )


def check_solutions(policy: Policy, encoder: Encoder, dataset: Dataset) -> None:
    """Refuse reference solutions that are missing, or too long for the model with their prompt.

    Raises:
        ConfigError: naming the first such problem, its tokens and the model's positions.
    """
    positions = policy.positions
    for problem in dataset.problems():
        tokens = len(encoder.prompt(problem)) + len(encoder.solution(problem))
        if positions is not None and tokens > positions:
            raise ConfigError(
                [
                    f"{problem.id}: prompt and reference solution have {tokens} tokens, which exceeds the model's"
                    f" {positions} positions; shorten or leave out such problems"
                ]
            )
