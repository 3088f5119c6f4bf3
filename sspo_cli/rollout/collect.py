"""Problems through the sampler and the rewarder to scored groups: for training and evaluation alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from sspo_cli.config.schema import SpecialTokens, TrainConfig
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.models.policy import Policy
from sspo_cli.objectives.advantage import tied
from sspo_cli.rewards.base import Rewarder
from sspo_cli.rollout.base import Sampler
from sspo_cli.rollout.stops import response_text, spelled, without_end
from sspo_cli.timing import phase
from sspo_cli.types import Completion, Decoding, Key, Request, Score

Progress = Callable[[int, int], None]
# What the time that goes into samples, and the time that rewards take beyond it, count as.
PHASES = {"train": ("rollout", "reward"), "eval": ("evaluation", "evaluation")}


@dataclass(frozen=True)
class Group:
    """The G responses to one prompt, with their texts and scores.

    problem: with its prompt as the model read it. texts: what the reward read. spelled: the responses with every
    special token, and what was cut from their texts; None where that is no more than the end of a plain text.
    """

    problem: Problem
    context_S: list[int]
    completions: list[Completion]
    texts: list[str]
    scores: list[Score]
    spelled: list[str | None]

    @property
    def rewards(self) -> list[float]:
        return [score.reward for score in self.scores]

    @property
    def rendered(self) -> str | None:
        """The prompt as the model read it; None where that is the text itself."""
        return None if self.problem.rendered == self.problem.prompt else self.problem.rendered

    @property
    def rewards_1G(self) -> Tensor:
        return torch.tensor([self.rewards], dtype=torch.float64)

    @property
    def largest_part(self) -> float:
        """The largest size of a reward part: rounding errors of the rewards grow with it."""
        return largest(value for score in self.scores for value in score.parts.values())

    @property
    def tied(self) -> bool:
        """Whether the rewards that could be given are equal up to rounding: all advantages of the group are zero."""
        return bool(tied(self.rewards_1G, torch.tensor([self.largest_part], dtype=torch.float64)))


@dataclass(frozen=True)
class Collector:
    """What turns problems into scored groups.

    prompt_time: the time that a chat template sees, in ISO format. special_tokens: whether rewards read those of a
    response.
    """

    policy: Policy
    sampler: Sampler
    rewarder: Rewarder
    prompt_time: str | None
    special_tokens: SpecialTokens = "strip"

    def collect(
        self,
        stream: Literal["train", "eval"],
        step: int,
        problems: Sequence[Problem],
        samples: int,
        decoding: Decoding,
        progress: Progress,
        *,
        numbers: Sequence[int] | None = None,
    ) -> list[Group]:
        """`samples` scored responses to each of `problems`. numbers: theirs in step `step`; from 0 on if not given.

        progress(done, total) is called with the responses scored so far; whatever it raises ends the collection.
        """
        encoder = Encoder(self.policy.tokenizer, self.prompt_time)
        contexts = [encoder.prompt(problem) for problem in problems]
        problems = [
            replace(problem, rendered=encoder.spelled(context_S))
            for problem, context_S in zip(problems, contexts, strict=True)
        ]
        numbers = range(len(problems)) if numbers is None else numbers
        keys = [[Key(stream, step, number, k) for k in range(samples)] for number in numbers]
        problem_of = {key: problem for of_problem, problem in zip(keys, problems, strict=True) for key in of_problem}
        requests = (
            Request(key, context_S, decoding)
            for of_problem, context_S in zip(keys, contexts, strict=True)
            for key in of_problem
        )
        sampling, rewarding = PHASES[stream]
        completions: dict[Key, Completion] = {}
        texts: dict[Key, str] = {}
        scores: dict[Key, Score] = {}

        def answered() -> Iterator[tuple[Key, Problem, str]]:
            found = self.sampler.sample(requests)
            while True:
                with phase(sampling):
                    completion = next(found, None)
                if completion is None:
                    return
                key = completion.key
                completions[key], texts[key] = completion, self.text(completion, decoding)
                progress(len(completions), len(problem_of))
                yield key, problem_of[key], texts[key]

        with phase(rewarding):
            for score in self.rewarder.score(answered()):
                scores[score.key] = score
                progress(len(completions), len(problem_of))
        return [
            Group(
                problem,
                context_S,
                [completions[key] for key in of_problem],
                [texts[key] for key in of_problem],
                [scores[key] for key in of_problem],
                [self.spelled(completions[key], decoding, problem, texts[key]) for key in of_problem],
            )
            for problem, context_S, of_problem in zip(problems, contexts, keys, strict=True)
        ]

    def text(self, completion: Completion, decoding: Decoding) -> str:
        keep = self.special_tokens == "keep"
        return response_text(self.policy.tokenizer, completion.token_T, decoding, special_tokens=keep)

    def spelled(self, completion: Completion, decoding: Decoding, problem: Problem, text: str) -> str | None:
        """See `Group`."""
        tokenizer, token_T = self.policy.tokenizer, completion.token_T
        if problem.rendered == problem.prompt and spelled(tokenizer, without_end(token_T, decoding)) == text:
            return None
        return spelled(tokenizer, token_T)


@dataclass(frozen=True)
class Collected:
    """groups: of all prompts of a step. kept: those that it learns from."""

    groups: list[Group]
    kept: list[Group]


def collect_step(
    collector: Collector, dataset: Dataset, config: TrainConfig, step: int, first_problem: int, progress: Progress
) -> Collected:
    """The groups of step `step` (from 1), of problems of the training stream from number `first_problem` on.

    batch.prompts of them, or with dynamic sampling as many as it takes until so many groups are not tied, within its
    limit; tied groups fill the rest.
    """
    P = config.batch.prompts
    limit = P * config.objective.dynamic_sampling
    groups: list[Group] = []
    missing = P
    while missing and len(groups) < limit:
        place = len(groups)
        problems = problems_from(dataset, first_problem + place, min(missing, limit - place))
        groups += collector.collect(
            "train",
            step,
            problems,
            config.batch.samples_per_prompt,
            decoding_of(
                collector.policy,
                config.rollout.temperature,
                config.rollout.max_response_length,
                config.rollout.stop,
            ),
            progress,
            numbers=range(place, place + len(problems)),
        )
        missing = P - sum(not group.tied for group in groups)
    live_first = sorted(range(len(groups)), key=lambda place: groups[place].tied)
    return Collected(groups, kept=[groups[place] for place in sorted(live_first[:P])])


def problems_from(dataset: Dataset, first: int, count: int) -> list[Problem]:
    return [dataset.train_problem(first + p) for p in range(count)]


def decoding_of(policy: Policy, temperature: float, max_tokens: int, stop: Sequence[str]) -> Decoding:
    return Decoding(temperature, max_tokens, tuple(policy.stop_ids), tuple(stop))


def metrics_of(groups: Sequence[Group]) -> dict[str, float]:
    """Of everything that was sampled, whether it is learned from or not."""
    reward_PG = torch.cat([group.rewards_1G for group in groups])
    scores = [score for group in groups for score in group.scores]
    completions = [completion for group in groups for completion in group.completions]
    names = sorted({name for score in scores for name in score.parts})
    tokens = tokens_of(groups)
    return {
        "reward/mean": float(reward_PG.nanmean()),
        **means_by_source(groups),
        **{f"reward/{name}": mean_of_part(name, scores_of_sources_with(name, groups)) for name in names},
        "reward/unscored": float(reward_PG.isnan().double().mean()),
        "group/dead": sum(group.tied for group in groups) / len(groups),
        "prompts/generated": len(groups),
        "tokens/generated": tokens,
        "response/length": tokens / len(completions),
        "response/truncated": sum(completion.truncated for completion in completions) / len(completions),
    }


def means_by_source(groups: Sequence[Group]) -> dict[str, float]:
    """The mean reward of the problems of each part of a mixture."""
    sources = sorted({group.problem.source for group in groups} - {""})
    of_source = {name: [group.rewards_1G for group in groups if group.problem.source == name] for name in sources}
    return {f"reward/mean/{name}": float(torch.cat(rewards).nanmean()) for name, rewards in of_source.items()}


def scores_of_sources_with(part: str, groups: Sequence[Group]) -> list[Score]:
    """The scores of the sources whose reward has this part; other sources of a mixture have other rewards."""
    having = {group.problem.source for group in groups if any(part in score.parts for score in group.scores)}
    return [score for group in groups if group.problem.source in having for score in group.scores]


def errors_of(groups: Sequence[Group]) -> float:
    """The share of responses whose grader failed."""
    scores = [score for group in groups for score in group.scores]
    return sum(score.error is not None for score in scores) / len(scores)


def tokens_of(groups: Sequence[Group]) -> int:
    """Response tokens."""
    return sum(len(completion.token_T) for group in groups for completion in group.completions)


def mean_of_part(name: str, scores: Sequence[Score]) -> float:
    """Over the responses whose part could be scored; a part that a scored response lacks counts as 0."""
    known = [value for score in scores if score.parts and not math.isnan(value := score.parts.get(name, 0.0))]
    return sum(known) / len(known) if known else math.nan


def largest(values: Iterable[float]) -> float:
    return max((abs(value) for value in values if not math.isnan(value)), default=0.0)
