"""The dataset that a run asks for: it has enough to evaluate on, and answers for a reward that compares with them."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import EvalConfig, FileData, HubData, MixtureRewardSection, PartReward, RewardConfig
from sspo_cli.config.usual import usual_values
from sspo_cli.data.check import first_of
from sspo_cli.data.load import load_dataset
from sspo_cli.data.problem import Dataset, Problem

COMPARING = ("exact", "math")  # rewards that read answers
NUMBER = "eval.problems"


def asked_dataset(config: EvalConfig) -> tuple[Dataset, list[str]]:
    """The dataset, and lines for the user about what it has less of than is usual.

    Raises:
        ConfigError: for whatever is wrong with its files; for fewer held-out problems than the user set, and problems
            without an answer under a reward that compares with it.
    """
    dataset = load_dataset(config.dataset, config.seed, config.eval.problems)
    fewer = fewer_problems(dataset, config)
    refused = [*unanswered(dataset, config)]
    if config.eval.problems not in usual_values(NUMBER):
        refused += fewer
        fewer = []
    if refused:
        raise ConfigError(refused)
    return dataset, fewer


def fewer_problems(dataset: Dataset, config: EvalConfig) -> list[str]:
    """A line about rows of the user's own that hold out fewer problems than an evaluation takes."""
    wanted, there = config.eval.problems, len(dataset.evaluation)
    if not isinstance(config.dataset, FileData | HubData) or there >= wanted:
        return []
    told = f"{NUMBER}={wanted}: the dataset has {there} held-out problem{'s' if there > 1 else ''}"
    return [f"{told}{way_to_more(config.dataset)}; {NUMBER}={there} takes what is there"]


def way_to_more(data: FileData | HubData) -> str:
    """What holds out more problems; nothing where a place is named for them."""
    if isinstance(data, FileData):
        key, place = "dataset.eval_path", data.eval_path
        by_names = Path(data.path).is_dir()  # files named test are held out, not a fraction
    else:
        key, place, by_names = "dataset.eval_split", data.eval_split, False
    if place is not None:
        return ""
    return f"; for more, {'' if by_names else f'raise dataset.eval_fraction={data.eval_fraction:g} or '}set {key}"


def unanswered(dataset: Dataset, config: EvalConfig) -> list[str]:
    """A line for each reward that compares with answers, about the problems that have none."""
    ids: dict[str, list[str]] = {}
    for problem in [*dataset.problems(), *dataset.evaluation]:
        kind = reward_of(problem, config.reward).kind
        if problem.answer == () and kind in COMPARING:
            ids.setdefault(kind, []).append(problem.id)
    return [
        f"reward={kind}: {len(found)} problems have no answer to compare with ({first_of(found)}); set"
        " dataset.answer_field, or use reward=python, which needs none"
        for kind, found in ids.items()
    ]


def reward_of(problem: Problem, reward: RewardConfig) -> RewardConfig | PartReward:
    """What grades `problem`: of a mixture, the reward of its part."""
    return reward.parts[problem.source] if isinstance(reward, MixtureRewardSection) else reward
