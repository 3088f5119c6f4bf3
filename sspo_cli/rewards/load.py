"""From `reward=` to a reward function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sspo_cli.rewards.function import RewardFunction

if TYPE_CHECKING:
    from sspo_cli.config.schema import RewardConfig  # it imports pydantic, which a worker does not need


def load_function(config: RewardConfig) -> RewardFunction:
    """The function that `config` names.

    Raises:
        ConfigError: for a user's file that is missing, cannot be imported or has no such function.
    """
    if config.kind == "exact":
        from sspo_cli.rewards.exact import exact_reward

        return exact_reward(config.answer_after)
    if config.kind == "python":
        from sspo_cli.rewards.python import python_reward

        return python_reward(config.path, config.function)
    from sspo_cli.rewards.math import MathReward  # takes a third of a second to import

    return MathReward()
