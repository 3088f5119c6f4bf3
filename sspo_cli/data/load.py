"""From `dataset=` to problems."""

from __future__ import annotations

from sspo_cli.config.schema import AdditionData, DatasetConfig, JsonlData
from sspo_cli.data.addition import Addition
from sspo_cli.data.jsonl import load_jsonl
from sspo_cli.data.problem import Dataset
from sspo_cli.data.published import load_published


def load_dataset(config: DatasetConfig, seed: int, eval_problems: int) -> Dataset:
    """The dataset that `config` names, with at most `eval_problems` held-out problems.

    Raises:
        ConfigError: for whatever is wrong with its files.
    """
    if isinstance(config, AdditionData):
        return Addition(config, seed, eval_problems)
    if isinstance(config, JsonlData):
        return load_jsonl(config, seed, eval_problems)
    return load_published(config, seed, eval_problems)
