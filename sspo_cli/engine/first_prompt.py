"""The first prompt of a run as its model would read it, and what ends the response: without weights or network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sspo_cli.config.compose import with_prompt_time
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import (
    FileData,
    HubData,
    HubModel,
    LocalModel,
    MixtureData,
    ModelConfig,
    PublishedData,
    PublishedSection,
    SourceConfig,
    TrainConfig,
)
from sspo_cli.data.asked import asked_dataset
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.hub import not_asked
from sspo_cli.models.load import generation_config, load_tokenizer
from sspo_cli.models.source import NotCached
from sspo_cli.models.template import NO_TEMPLATE, stop_ids

LONGEST_SEARCH = 1000  # draws; a source with a smaller share than one of these is left out


class NotAtHand(ConfigError):
    """What the prompt is made of is not on this machine."""


@dataclass(frozen=True)
class FirstPrompt:
    """problem: its id. answer: of the problem. rendered: the prompt with its special tokens, which `special` lists.
    tokens: how many. template: what rendered it, in words. stop_tokens: with their ids."""

    problem: str
    answer: str | tuple[str, ...]
    rendered: str
    tokens: int
    template: str
    special: list[str]
    stop_tokens: dict[str, int]


def first_prompts(config: TrainConfig) -> list[FirstPrompt]:
    """What `config` begins with; then, with several sources, the first prompt of every other source.

    Raises:
        NotAtHand: if the model's tokenizer, or the dataset, is not on this machine.
        ConfigError: for whatever is wrong with either of them.
    """
    with not_asked("a dry run downloads nothing"):
        try:
            generation = generation_config(config.model)
            tokenizer = load_tokenizer(config.model, download=False)
        except NotCached as error:
            raise NotAtHand(error.problems) from error
        problems = first_of_each_source(problems_of(config))
    ends = stop_ids(tokenizer, generation)
    encoder = Encoder(tokenizer, with_prompt_time(config).prompt_time)
    return [described(problem, config, tokenizer, encoder, ends) for problem in problems]


def first_of_each_source(dataset: Dataset) -> list[Problem]:
    """The first problem of the training stream, then the first one of every other source, in their order there."""
    left = {problem.source for problem in dataset.evaluation}
    found: list[Problem] = []
    for index in range(LONGEST_SEARCH):
        problem = dataset.train_problem(index)
        if not found or problem.source in left:
            found.append(problem)
        left.discard(problem.source)
        if not left:
            break
    return found


def described(
    problem: Problem, config: TrainConfig, tokenizer: Any, encoder: Encoder, ends: Iterable[int]
) -> FirstPrompt:
    _, tokens = encoder.encoded(problem)
    added = {token: str(text) for token, text in tokenizer.added_tokens_decoder.items()}
    return FirstPrompt(
        problem=problem.id,
        answer=problem.answer,
        rendered=encoder.spelled(tokens),
        tokens=len(tokens),
        template=rendered_by(tokenizer, config.model, problem),
        special=list(dict.fromkeys(added[token] for token in tokens if token in added)),
        stop_tokens={str(tokenizer.convert_ids_to_tokens(token)): token for token in ends},
    )


def beginning(config: TrainConfig) -> list[dict[str, Any]]:
    """The first prompts and what ends their responses; or why that is unknown, where something is not at hand yet."""
    try:
        return [asdict(prompt) for prompt in first_prompts(config)]
    except NotAtHand as error:
        return [{"unknown": "; ".join(error.problems)}]


def problems_of(config: TrainConfig) -> Dataset:
    """The dataset, if it is here."""
    try:
        return asked_dataset(config)[0]
    except ConfigError as error:
        data = config.dataset
        if any(is_elsewhere(section) for section in (data.parts.values() if isinstance(data, MixtureData) else [data])):
            raise NotAtHand(error.problems) from error
        raise


def is_elsewhere(section: SourceConfig) -> bool:
    """Whether the files of a dataset, or of what it is evaluated on, are not on this machine."""
    paths = [section.path] if isinstance(section, FileData | HubData | PublishedSection) else []
    if isinstance(section, PublishedData) and section.eval is not None:
        paths.append(section.eval_path or section.eval)
    return not all(Path(path).exists() for path in paths)


def rendered_by(tokenizer: Any, model: ModelConfig, problem: Problem) -> str:
    """What turns `problem` into text."""
    section = model if isinstance(model, LocalModel | HubModel) else None
    chosen = section.chat_template if section else None
    if not tokenizer.chat_template:
        why = f"model.chat_template={NO_TEMPLATE}" if chosen else "the model's tokenizer has no chat template"
        return f"plain text ({why})"
    source = f"the chat template {chosen}" if chosen else "the chat template of the model's tokenizer"
    given = [f"{name}={value!r}" for name, value in section.template_args.items()] if section else []
    is_open = not isinstance(problem.prompt, str) and problem.prompt[-1].role == "assistant"
    return f"{source}{' with ' + ', '.join(given) if given else ''}{', open in the last message' if is_open else ''}"
