"""Rewards: (problem, response) -> named parts whose sum is the reward. A response counts as correct from 1 upwards.

A NaN part means "could not be scored".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sspo_cli.config.schema import ExactReward, PythonReward, RewardConfig
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.exact import exact_reward
from sspo_cli.rewards.math import math_reward
from sspo_cli.rewards.python import python_reward

Reward = Callable[[Problem, str], Mapping[str, float]]


def load_reward(config: RewardConfig) -> Reward:
    """The reward that `config` names.

    Raises:
        ConfigError: for a user's file that is missing or has no such function.
    """
    if isinstance(config, ExactReward):
        return exact_reward(config.answer_after)
    if isinstance(config, PythonReward):
        return python_reward(config.path, config.function)
    return math_reward()
