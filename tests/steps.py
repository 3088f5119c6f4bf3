"""Pieces of a training step for tests: trajectories by hand, groups and rollouts of a policy, an updater."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.credit import compute_advantages, to_rollout, with_logprobs
from sspo_cli.engine.parts import TrainParts
from sspo_cli.engine.update import Updater, make_updater
from sspo_cli.engine.world import OneProcess
from sspo_cli.rollout.collect import Group, collect_step, decoding_of, problems_from
from sspo_cli.rollout.source import Rollout
from sspo_cli.runs.eval_rows import EvalRow
from sspo_cli.types import Key, Score, Trajectory, single_turn

KEY = Key("train", 1, 0, 0)


def trajectory(
    context_S: Sequence[int], response_T: Sequence[int], logp_T: Tensor | None, advantage: float = 0.0
) -> Trajectory:
    return single_turn(KEY, context_S, response_T, logp_T, advantage=advantage)


def context_of(item: Trajectory) -> list[int]:
    found: list[int] = item.token_L[~item.trained_L].tolist()
    return found


def response_of(item: Trajectory) -> list[int]:
    found: list[int] = item.token_L[item.trained_L].tolist()
    return found


def sampled_logp(item: Trajectory) -> Tensor:
    assert item.sampled_logp_L is not None
    return item.sampled_logp_L[item.trained_L]


def sample_groups(parts: TrainParts, config: TrainConfig, count: int, *, step: int = 1, first: int = 0) -> list[Group]:
    """The groups of `count` prompts of the training stream from number `first` on, as those of step `step`."""
    return parts.collector(config, OneProcess()).collect(
        "train",
        step,
        problems_from(parts.dataset, first, count),
        config.batch.samples_per_prompt,
        decoding_of(parts.policy, config.rollout.temperature, config.rollout.max_response_length, config.rollout.stop),
        lambda done, total: None,
        numbers=range(first, first + count),
    )


def score_anew(groups: Sequence[Group], reward: Callable[[int], float]) -> None:
    """Give sample i of every group the reward `reward(i)`, whatever the model wrote."""
    for group in groups:
        group.scores[:] = [
            Score(score.key, {"exact": reward(i)}, reward(i) >= 1) for i, score in enumerate(group.scores)
        ]


def credited(groups: Sequence[Group], parts: TrainParts, config: TrainConfig) -> list[Trajectory]:
    """The trajectories of `groups` with their advantages."""
    return compute_advantages(groups, parts.reference, config)[0]


def with_logps(trajectories: Sequence[Trajectory], parts: TrainParts, config: TrainConfig) -> list[Trajectory]:
    """With all log-probabilities that the objective reads."""
    return with_logprobs(trajectories, parts.policy, parts.reference, config, OneProcess())


def rollout_of(parts: TrainParts, config: TrainConfig, step: int = 1, first: int = 0) -> Rollout:
    """The rollout of step `step` under the weights of now."""
    collected = collect_step(
        parts.collector(config, OneProcess()), parts.dataset, config, step, first, lambda done, total: None
    )
    return to_rollout(collected, parts.reference, config)


def updater_of(parts: TrainParts, config: TrainConfig) -> Updater:
    return make_updater(parts.policy, parts.objective, config, OneProcess())


def eval_row(*, correct: bool | None, reward: float, length: int = 5, truncated: bool = False) -> EvalRow:
    return EvalRow(
        problem="p",
        sample=0,
        prompt="1+1=",
        response="2",
        answer="2",
        reward=reward,
        reward_parts={"exact": reward},
        correct=correct,
        correct_if="exact >= 1",
        length=length,
        truncated=truncated,
    )
