"""From `dataset=` to problems."""

from __future__ import annotations

from functools import partial

from sspo_cli.config.errors import ConfigError, all_or_problems
from sspo_cli.config.schema import (
    AdditionData,
    DatasetConfig,
    FileData,
    HubData,
    MixtureData,
    PartConfig,
    ReasoningGymData,
    SourceConfig,
)
from sspo_cli.data.addition import Addition
from sspo_cli.data.mixture import Mixture, kept_apart, shares
from sspo_cli.data.own import load_file, load_hub
from sspo_cli.data.problem import Dataset
from sspo_cli.data.published import load_published
from sspo_cli.data.reasoning_gym import load_reasoning_gym


def load_dataset(config: DatasetConfig, seed: int, eval_problems: int) -> Dataset:
    """The dataset that `config` names, with at most `eval_problems` held-out problems.

    Raises:
        ConfigError: for whatever is wrong with its files.
    """
    return (
        load_mixture(config, seed, eval_problems)
        if isinstance(config, MixtureData)
        else load_source(config, seed, eval_problems)
    )


def load_source(config: SourceConfig, seed: int, eval_problems: int) -> Dataset:
    if isinstance(config, AdditionData):
        return Addition(config, seed, eval_problems)
    if isinstance(config, FileData):
        return load_file(config, seed, eval_problems)
    if isinstance(config, HubData):
        return load_hub(config, seed, eval_problems)
    if isinstance(config, ReasoningGymData):
        return load_reasoning_gym(config, seed, eval_problems)
    return load_published(config, seed, eval_problems)


def load_mixture(config: MixtureData, seed: int, eval_problems: int) -> Mixture:
    """The parts of a mixture, each with its share of the held-out problems; what one holds out, none learns from."""
    counts = shares(eval_problems, list(config.parts))
    loaded = all_or_problems(
        *(partial(load_part, name, part, seed, counts[name]) for name, part in config.parts.items())
    )
    parts, told = kept_apart(dict(zip(config.parts, loaded, strict=True)), seed)
    notes = [of_part(name, note) for name, part in parts.items() for note in part.notes]
    return Mixture(parts, {name: part.weight for name, part in config.parts.items()}, seed, [*notes, *told])


def load_part(name: str, config: PartConfig, seed: int, eval_problems: int) -> Dataset:
    """A part of a mixture; what is wrong with it is told by its own keys."""
    try:
        return load_source(config, seed, eval_problems)
    except ConfigError as error:
        raise ConfigError(of_part(name, line) for line in error.problems) from error


def of_part(name: str, line: str) -> str:
    """A line about a dataset as one about a part."""
    key = f"dataset.parts.{name}"
    return (
        line.replace("dataset.", f"{key}.")
        if line.startswith("dataset.")
        else f"{key}: {line.replace('dataset.', f'{key}.')}"
    )
