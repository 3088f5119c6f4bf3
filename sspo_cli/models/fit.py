"""Whether the problems fit the model."""

from __future__ import annotations

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.encode import longest_prompt
from sspo_cli.data.problem import Dataset
from sspo_cli.models.policy import Policy


def check_positions(policy: Policy, dataset: Dataset, max_response_length: int) -> int:
    """Refuse prompts that leave no room for a response of `max_response_length` tokens.

    Returns:
        Tokens of the longest prompt with such a response.

    Raises:
        ConfigError: naming the longest prompt's length and the model's positions.
    """
    longest, positions = longest_prompt(policy.tokenizer, dataset), policy.positions
    if positions is not None and longest + max_response_length > positions:
        raise ConfigError(
            [
                f"dataset: the longest prompt has {longest} tokens, which with a response of {max_response_length}"
                f" exceeds the model's {positions} positions; shorten the prompts or the response length"
            ]
        )
    return longest + max_response_length
