"""GSM8K (arXiv 2110.14168): question, worked solution, and the answer after `####`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import Gsm8kData
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Problem
from sspo_cli.data.prompting import frame
from sspo_cli.hub import why_not

FIELDS = ("question", "answer")
MARK = "####"


def load_gsm8k(config: Gsm8kData, seed: int, eval_problems: int) -> Listed:
    """The train split to learn from, the test split to evaluate on.

    Raises:
        ConfigError: the hub cannot be reached and nothing is cached, a missing split, a wrong schema, an answer
            without its mark.
    """
    train, test = (as_problems(read_split(config, split), split, config) for split in ("train", "test"))
    return Listed(train, test[:eval_problems], seed)


def read_split(config: Gsm8kData, split: str) -> Any:
    import datasets

    folder = Path(config.path)
    if folder.is_dir():
        file = folder / f"{split}.jsonl"
        if not file.is_file():
            raise ConfigError([f"dataset.path={config.path}: the folder has no {split}.jsonl (question, answer)"])
        return datasets.load_dataset("json", data_files=str(file), split="train")
    reason = why_not(config.path, "dataset", config.revision)
    datasets.config.HF_HUB_OFFLINE = reason is not None
    try:
        return datasets.load_dataset(config.path, "main", revision=config.revision, split=split)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(
            [
                f"dataset.path={config.path}: not in the local cache ({datasets.config.HF_DATASETS_CACHE}) and"
                f" {reason or error}; download it once with network access"
                f" (`hf download {config.path} --repo-type dataset`),"
                " or set dataset.path to a folder with train.jsonl and test.jsonl"
            ]
        ) from error


def as_problems(rows: Any, split: str, config: Gsm8kData) -> list[Problem]:
    missing = [name for name in FIELDS if name not in rows.column_names]
    if missing or not len(rows):
        fault = f"no field '{missing[0]}' (it has: {', '.join(rows.column_names)})" if missing else "no problems"
        raise ConfigError([f"dataset.path={config.path}: the {split} split has {fault}"])
    unmarked = [number for number, row in enumerate(rows) if MARK not in str(row["answer"])]
    if unmarked:
        raise ConfigError(
            [
                f"dataset.path={config.path}: {len(unmarked)} answers of the {split} split have no final answer after"
                f" '{MARK}', the first is row {unmarked[0]}; read files of another form with dataset=file"
            ]
        )
    return [
        Problem(
            id=f"{split}/{number}",
            prompt=frame(row["question"].strip(), row, config),
            answer=row["answer"].rpartition(MARK)[2].strip().replace(",", ""),
            solution=row["answer"],
            fields=row,
        )
        for number, row in enumerate(rows)
    ]
