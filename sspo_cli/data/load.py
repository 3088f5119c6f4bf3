"""From `dataset=` to problems."""

from __future__ import annotations

from sspo_cli.config.schema import AdditionData, DatasetConfig, FileData, HubData
from sspo_cli.data.addition import Addition
from sspo_cli.data.gsm8k import load_gsm8k
from sspo_cli.data.own import load_file, load_hub
from sspo_cli.data.problem import Dataset


def load_dataset(config: DatasetConfig, seed: int, eval_problems: int) -> Dataset:
    """The dataset that `config` names, with at most `eval_problems` held-out problems.

    Raises:
        ConfigError: for whatever is wrong with its files.
    """
    if isinstance(config, AdditionData):
        return Addition(config, seed, eval_problems)
    if isinstance(config, FileData):
        return load_file(config, seed, eval_problems)
    if isinstance(config, HubData):
        return load_hub(config, seed, eval_problems)
    return load_gsm8k(config, seed, eval_problems)
