"""From `reward=` to a reward function."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from sspo_cli.rewards.function import RewardFunction

if TYPE_CHECKING:
    from sspo_cli.config.schema import PartReward, RewardConfig  # it imports pydantic, which a worker does not need


def load_function(config: RewardConfig | PartReward) -> RewardFunction:
    """The function that `config` names.

    Raises:
        ConfigError: for a user's file that is missing, cannot be imported or has no such function.
    """
    if config.kind == "mixture":
        from sspo_cli.rewards.mixture import MixtureReward

        return MixtureReward({name: load_function(as_section(part)) for name, part in config.parts.items()})
    if config.kind == "exact":
        from sspo_cli.rewards.exact import ExactReward

        return ExactReward(config.answer_after)
    if config.kind == "python":
        from sspo_cli.rewards.python import python_reward

        return python_reward(config.path, config.function)
    if config.kind == "task":
        from sspo_cli.rewards.task import TaskReward

        return TaskReward(config.answer_after, config.answer_before)
    from sspo_cli.rewards.math import MathReward  # takes a third of a second to import

    return MathReward()


def as_section(part: Any) -> PartReward:
    """The reward of a part, which a worker has as a mapping."""
    return cast("PartReward", SimpleNamespace(**part) if isinstance(part, dict) else part)
