"""Problems from a user's JSONL file, one object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import JsonlData
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Problem
from sspo_cli.seeds import stable_fraction

MOST_PROBLEMS_SHOWN = 5


def load_jsonl(config: JsonlData, seed: int, eval_problems: int) -> Listed:
    """Problems of `dataset.path`; the held-out ones from `dataset.eval_path`, or chosen by the prompt's content.

    Raises:
        ConfigError: a missing or empty file, a line that is not JSON (file and line number), a missing field.
    """
    problems = read_problems("dataset.path", config.path, config)
    if config.eval_path is not None:
        return Listed(problems, read_problems("dataset.eval_path", config.eval_path, config)[:eval_problems], seed)
    ranked = sorted(problems, key=lambda problem: stable_fraction(problem.prompt))
    held_out = [problem for problem in ranked if stable_fraction(problem.prompt) < config.eval_fraction] or [ranked[0]]
    prompts = {problem.prompt for problem in held_out}
    train = [problem for problem in problems if problem.prompt not in prompts]
    if not train:
        raise ConfigError(
            [f"dataset.path={config.path}: {len(problems)} problems leave none to learn from; set dataset.eval_path"]
        )
    return Listed(train, held_out[:eval_problems], seed)


def read_problems(key: str, path: str, config: JsonlData) -> list[Problem]:
    file = Path(path)
    if not file.is_file():
        raise ConfigError([f"{key}={path}: no such file (looked in {file.absolute().parent})"])
    wanted = [name for name in (config.prompt_field, config.answer_field, config.solution_field) if name]
    problems, faults = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            faults.append(f"{where}: not JSON: {error.msg} at column {error.colno}")
            continue
        missing = [name for name in wanted if not isinstance(row, dict) or row.get(name) is None]
        if missing:
            has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            faults.append(
                f"{where}: no field '{missing[0]}' (it has: {has}); name yours with {field_key(missing[0], config)}="
            )
            continue
        if not str(row[config.prompt_field]).strip():
            faults.append(f"{where}: the field '{config.prompt_field}' is empty")
            continue
        problems.append(as_problem(row, where, config))
    if faults:
        more = (
            [f"{path}: {len(faults) - MOST_PROBLEMS_SHOWN} more such lines"]
            if len(faults) > MOST_PROBLEMS_SHOWN
            else []
        )
        raise ConfigError(faults[:MOST_PROBLEMS_SHOWN] + more)
    if not problems:
        raise ConfigError([f"{key}={path}: the file holds no problems"])
    return problems


def as_problem(row: dict[str, Any], where: str, config: JsonlData) -> Problem:
    solution = str(row[config.solution_field]) if config.solution_field else None
    prompt = config.prompt_template.replace("{prompt}", str(row[config.prompt_field]))
    return Problem(id=where, prompt=prompt, answer=str(row[config.answer_field]), solution=solution)


def field_key(name: str, config: JsonlData) -> str:
    """The configuration key that holds the field name `name`."""
    for key in ("prompt_field", "answer_field"):
        if getattr(config, key) == name:
            return f"dataset.{key}"
    return "dataset.solution_field"
