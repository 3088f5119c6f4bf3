"""Problems from a user's JSONL file, one object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import JsonlData
from sspo_cli.data.fields import BadField, as_text, floats, read_answer, read_prompt
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Problem
from sspo_cli.data.prompting import frame
from sspo_cli.seeds import stable_fraction

MOST_PROBLEMS_SHOWN = 5


def load_jsonl(config: JsonlData, seed: int, eval_problems: int) -> Listed:
    """Problems of `dataset.path`; the held-out ones from `dataset.eval_path`, or chosen by the prompt's content.

    Raises:
        ConfigError: a missing or empty file; a line that is not JSON, lacks a field, or has a field of another type
            than it must have, each with file and line number.
    """
    problems, notes = read_problems("dataset.path", config.path, config)
    if config.eval_path is not None:
        held_out, more = read_problems("dataset.eval_path", config.eval_path, config)
        return Listed(problems, held_out[:eval_problems], seed, notes + more, held_out)
    ranked = sorted(problems, key=lambda problem: stable_fraction(problem.text))
    held_out = [problem for problem in ranked if stable_fraction(problem.text) < config.eval_fraction] or [ranked[0]]
    prompts = {problem.prompt for problem in held_out}
    train = [problem for problem in problems if problem.prompt not in prompts]
    if not train:
        raise ConfigError(
            [f"dataset.path={config.path}: {len(problems)} problems leave none to learn from; set dataset.eval_path"]
        )
    return Listed(train, held_out[:eval_problems], seed, notes, held_out)


def read_problems(key: str, path: str, config: JsonlData) -> tuple[list[Problem], list[str]]:
    """The problems of a file, and lines for the user about how they were read."""
    file = Path(path)
    if not file.is_file():
        raise ConfigError([f"{key}={path}: no such file (looked in {file.absolute().parent})"])
    problems: list[Problem] = []
    faults: list[str] = []
    numbers: list[float] = []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{key}={path}: not UTF-8 text: {error.reason} at byte {error.start}"]) from error
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line, object_pairs_hook=without_repeats)
            problems.append(as_problem(row, where, config))
        except json.JSONDecodeError as error:
            faults.append(f"{where}: not JSON: {error.msg} at column {error.colno}")
        except BadField as error:
            faults.append(f"{where}: {error}")
        except (ValueError, RecursionError) as error:
            faults.append(f"{where}: not JSON that can be read: {error}")
        else:
            numbers += floats(row[config.answer_field])[:1]
    if faults:
        more = (
            [f"{path}: {len(faults) - MOST_PROBLEMS_SHOWN} more such lines"]
            if len(faults) > MOST_PROBLEMS_SHOWN
            else []
        )
        raise ConfigError(faults[:MOST_PROBLEMS_SHOWN] + more)
    if not problems:
        raise ConfigError([f"{key}={path}: the file holds no problems"])
    return problems, told_numbers(path, numbers)


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON.

    Raises:
        BadField: for a key that is there twice, of which one value would be lost.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise BadField(f"the key '{next(key for key in keys if keys.count(key) > 1)}' is there more than once")
    return found


def told_numbers(path: str, numbers: list[float]) -> list[str]:
    """A line about the answers that are numbers with a decimal point: one of each answer is in `numbers`."""
    if not numbers:
        return []
    first = f"{numbers[0]} as {as_text(numbers[0])}"
    return [f"{path}: {len(numbers)} answers hold numbers with a decimal point; they are read as text, {first}"]


def as_problem(row: Any, where: str, config: JsonlData) -> Problem:
    """The problem of one line.

    Raises:
        BadField: for a missing field, or a field of another type than it must have.
    """
    wanted = [name for name in (config.prompt_field, config.answer_field, config.solution_field) if name]
    missing = [name for name in wanted if not isinstance(row, dict) or name not in row]
    if missing:
        has = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        raise BadField(f"no field '{missing[0]}' (it has: {has}); name yours with {field_key(missing[0], config)}=")
    return Problem(
        id=where,
        prompt=named(config.prompt_field, lambda value: frame(read_prompt(value), row, config), row),
        answer=named(config.answer_field, read_answer, row),
        solution=named(config.solution_field, as_text, row) if config.solution_field else None,
        fields=row,
    )


def named(field: str, read: Any, row: dict[str, Any]) -> Any:
    try:
        return read(row[field])
    except BadField as error:
        raise BadField(f"the field '{field}' {error}") from None


def field_key(name: str, config: JsonlData) -> str:
    """The configuration key that holds the field name `name`."""
    for key in ("prompt_field", "answer_field"):
        if getattr(config, key) == name:
            return f"dataset.{key}"
    return "dataset.solution_field"
