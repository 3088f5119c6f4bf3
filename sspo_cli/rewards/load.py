"""From `reward=` to a rewarder."""

from __future__ import annotations

from sspo_cli.config.schema import ExactReward, PythonReward, RewardConfig
from sspo_cli.rewards.base import Rewarder
from sspo_cli.rewards.exact import exact_reward
from sspo_cli.rewards.python import python_reward


def load_reward(config: RewardConfig) -> Rewarder:
    """The reward that `config` names.

    Raises:
        ConfigError: for a user's file that is missing or has no such function.
    """
    if isinstance(config, ExactReward):
        return Rewarder(exact_reward(config.answer_after))
    if isinstance(config, PythonReward):
        return Rewarder(python_reward(config.path, config.function), config.correct)
    from sspo_cli.rewards.math import MathReward  # takes a third of a second to import

    return Rewarder(MathReward())
