"""Whether the problems fit the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import DatasetConfig, MixtureData, PromptSection
from sspo_cli.data.check import PromptReport, check_prompts, check_rows, first_of
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import CanLeaveOut, Dataset, Problem
from sspo_cli.models.policy import Policy


def that_fit(
    dataset: Dataset,
    config: DatasetConfig,
    policy: Policy,
    encoder: Encoder,
    response: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Dataset, PromptReport, list[str]]:
    """The problems whose prompts are not longer than dataset.max_prompt_length, what is to be told of their prompts,
    and lines about those that are left out.

    response: tokens for which a prompt has to leave room. progress: is told how many of how many prompts are encoded.

    Raises:
        ConfigError: for prompts that cannot be encoded, or leave no such room; if no problem is left.
    """
    room = None if policy.positions is None else policy.positions - response
    found = check_prompts(
        encoder, dataset, most=lambda problem: most_of(config, problem), room=room, rows=policy.rows, progress=progress
    )
    if found.over and room is not None:
        raise ConfigError([no_room(found, policy.positions, response, room, config)])
    if not found.left_out:
        return dataset, found, []
    left = set(found.left_out)
    lost = [
        [problem for problem in problems if problem in left] for problems in (dataset.problems(), dataset.evaluation)
    ]
    told = "dataset.parts: max_prompt_length"
    if isinstance(config, PromptSection):
        told = f"dataset.max_prompt_length={config.max_prompt_length}"
    if not isinstance(dataset, CanLeaveOut):
        raise ConfigError([f"{told}: the problems of this dataset never end, so none can be left out; set it to null"])
    kept = dataset.without(left)
    if not list(kept.problems()) or not kept.evaluation:
        shortest = min(len(encoder.prompt(problem)) for problem in found.left_out)
        which = "held-out prompts" if list(kept.problems()) else "prompts to learn from"
        raise ConfigError([f"{told}: all {which} are longer, the shortest that is left out has {shortest} tokens"])
    return kept, found, [f"{told}: longer prompts are left out: {counted(*lost)}"]


def most_of(config: DatasetConfig, problem: Problem) -> int | None:
    """The tokens that the prompt of a problem may have; of a mixture as its part says."""
    section = config.parts[problem.source] if isinstance(config, MixtureData) else config
    return section.max_prompt_length if isinstance(section, PromptSection) else None


def counted(train: Sequence[Problem], held_out: Sequence[Problem]) -> str:
    ids = [problem.id for problem in (*train, *held_out)]
    return f"{len(train)} to learn from and {len(held_out)} held out ({first_of(ids)})"


def no_room(found: PromptReport, positions: int | None, response: int, room: int, config: DatasetConfig) -> str:
    """That prompts leave no room for a response, and what to do about it."""
    way_out = "shorten them, or the response (rollout.max_response_length, eval.max_response_length)"
    if isinstance(config, PromptSection) and room > 0:
        way_out += f", or leave them out by dataset.max_prompt_length={room}"
    return (
        f"dataset: {len(found.over)} of {found.count} prompts leave no room for a response of {response} tokens within"
        f" the model's {positions} positions ({first_of(found.over)}; the longest prompt has {found.longest} tokens);"
        f" {way_out}"
    )


def check_solutions(policy: Policy, encoder: Encoder, dataset: Dataset) -> None:
    """Refuse reference solutions that are missing, or too long for the model with their prompt.

    Raises:
        ConfigError: naming the first such problem, its tokens and the model's positions.
    """
    positions = policy.positions
    for problem in dataset.problems():
        solution = encoder.solution(problem)
        check_rows(problem, solution, encoder, policy.rows)
        tokens = len(encoder.prompt(problem)) + len(solution)
        if positions is not None and tokens > positions:
            raise ConfigError(
                [
                    f"{problem.id}: prompt and reference solution have {tokens} tokens, which exceeds the model's"
                    f" {positions} positions; shorten or leave out such problems"
                ]
            )
