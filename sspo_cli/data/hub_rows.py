"""The rows of a split of a data set on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import HubData
from sspo_cli.data.arrow_rows import arrow_rows, first_line
from sspo_cli.data.rows import Rows, Unreadable
from sspo_cli.hub import why_not


def read_hub(config: HubData, split: str) -> Rows:
    """Every row of `split`, named by its number from 0, as the hub shows them.

    Raises:
        ConfigError: for a data set that the hub does not have, or that cannot be had now; for an unknown configuration
            or split.
    """
    told = f"dataset.path={config.path}"
    if Path(config.path).exists():
        raise ConfigError([f"{told}: is a path on this machine; read it with dataset=file"])
    import datasets

    reason = why_not(config.path, "dataset", config.revision)
    datasets.config.HF_HUB_OFFLINE = reason is not None
    try:
        rows = datasets.load_dataset(config.path, config.config, revision=config.revision, split=split)
    except Exception as error:  # whatever the files of a data set make the library raise
        if reason is None or isinstance(error, ValueError):  # it is there, but not this configuration or split of it
            where = f"dataset.config={config.config or 'null'}, split {split}"
            raise ConfigError([f"{told}: cannot be read ({where}): {' '.join(str(error).split())}"]) from error
        raise ConfigError(
            [
                f"{told}: not in the local cache ({datasets.config.HF_DATASETS_CACHE}) and {reason}; download it once"
                f" with network access (`hf download {config.path} --repo-type dataset`), or read files of it with"
                " dataset=file"
            ]
        ) from error
    try:
        found = arrow_rows(split, rows.with_format("arrow")[:], first=0)
    except Unreadable as error:
        raise ConfigError([f"{told}: {first_line(error)}"]) from error
    if reason is not None:
        found.notes.append(f"{told}: {reason}; what is read is the newest version in the local cache")
    return found
