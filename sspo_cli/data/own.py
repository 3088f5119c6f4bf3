"""A user's own rows as problems: from files, or from any data set of the hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import FileData, HubData, RowsSection
from sspo_cli.config.template import names_in
from sspo_cli.data.fields import (
    BadField,
    as_reply,
    as_text,
    floats,
    is_conversation,
    kind,
    not_empty,
    read_answer,
    read_messages,
    read_prompt,
)
from sspo_cli.data.files import read_path
from sspo_cli.data.hub_rows import read_hub
from sspo_cli.data.listed import Listed
from sspo_cli.data.problem import Message, Problem
from sspo_cli.data.problem import as_text as prompt_text
from sspo_cli.data.prompting import frame
from sspo_cli.data.rows import Row, Rows
from sspo_cli.seeds import stable_fraction

MOST_PROBLEMS_SHOWN = 5
USUAL_ID = "id"  # of conf/dataset, where rows may lack it


def load_file(config: FileData, seed: int, eval_problems: int) -> Listed:
    """Problems of `dataset.path`; the held-out ones from `dataset.eval_path`, or from files of the folder by their
    names, or chosen by content.

    Raises:
        ConfigError: a missing, empty or unreadable file; a row that lacks a field, or has a field of another type than
            it must have, each with file and line; an id that is there twice.
    """
    found = read_path("dataset.path", config.path)
    held_out = found.held_out
    if held_out is not None and not found.train.rows:
        raise ConfigError(
            [f"dataset.path={config.path}: nothing in the folder is named as something to learn from (train)"]
        )
    if config.eval_path is not None:
        tested = read_path("dataset.eval_path", config.eval_path)
        held_out = tested.held_out or tested.train
    return split(found.train, held_out, config, seed, eval_problems, ("dataset.path", "dataset.eval_path"))


def load_hub(config: HubData, seed: int, eval_problems: int) -> Listed:
    """Problems of a split of a data set of the hub; the held-out ones from another split, or chosen by content.

    Raises:
        ConfigError: as for files; for a data set that the hub does not have, or that cannot be had now.
    """
    found = read_hub(config, config.split)
    held_out = read_hub(config, config.eval_split) if config.eval_split else None
    return split(found, held_out, config, seed, eval_problems, ("dataset.split", "dataset.eval_split"))


def split(
    rows: Rows, held_out: Rows | None, config: FileData | HubData, seed: int, eval_problems: int, keys: tuple[str, str]
) -> Listed:
    """The problems to learn from, and at most `eval_problems` to evaluate on. keys: of the places of both."""
    problems, notes = as_problems(rows, config, f"dataset.path={config.path}")
    if held_out is not None:
        tested, more = as_problems(held_out, config, f"{keys[1]}={getattr(config, keys[1].split('.')[1])}")
        asked = {problem.question for problem in problems}
        if both := sum(problem.question in asked for problem in tested):
            more.append(f"dataset: {both} of the {len(tested)} held-out prompts are among those to learn from too")
        return Listed(problems, tested[:eval_problems], seed, notes + more, tested)
    ranked = sorted(problems, key=lambda problem: stable_fraction(problem.question))
    prompts = {one.question for one in ranked if stable_fraction(one.question) < config.eval_fraction}
    prompts = prompts or {ranked[0].question}
    chosen = [problem for problem in ranked if problem.question in prompts]
    train = [problem for problem in problems if problem.question not in prompts]
    if not train:
        raise ConfigError(
            [
                f"{keys[0]}={getattr(config, keys[0].split('.')[1])}: {len(problems)} problems leave none to learn"
                f" from; set {keys[1]}"
            ]
        )
    return Listed(train, chosen[:eval_problems], seed, notes, chosen)


def as_problems(rows: Rows, config: RowsSection, told: str) -> tuple[list[Problem], list[str]]:
    """The problems of `rows`, by their ids where they have some, and lines for the user about how they were read."""
    faults: dict[str, list[str]] = {}
    problems: list[Problem] = []
    numbers: list[tuple[str, float]] = []
    has_ids = config.id_field is not None and any(
        isinstance(row.content, dict) and config.id_field in row.content for row in rows.rows
    )
    id_field = config.id_field if has_ids or config.id_field != USUAL_ID else None
    for row in rows.rows:
        try:
            problems.append(as_problem(row, config, id_field))
        except BadField as error:
            for line in error.lines:
                faults.setdefault(line, []).append(row.where)
        else:
            if config.answer_field is not None:
                numbers += [(row.where, number) for number in floats(row.content[config.answer_field])[:1]]
    if faults:
        raise ConfigError([*told_faults(faults, told), *rows.notes])
    if not problems:
        raise ConfigError([*rows.notes, f"{told}: holds no problems"])
    if id_field is not None:
        problems = by_id(problems, id_field, told)
    return problems, [*rows.notes, *told_numbers(numbers)]


def told_faults(faults: Mapping[str, Sequence[str]], told: str) -> list[str]:
    """A line for each fault with the first row that has it; of many faults, for the first few. faults: by their text,
    the rows."""
    lines = [
        f"{rows[0]}: {fault}" + (f" (the first of {len(rows)} such rows)" if len(rows) > 1 else "")
        for fault, rows in faults.items()
    ]
    if len(lines) <= MOST_PROBLEMS_SHOWN:
        return lines
    return [*lines[:MOST_PROBLEMS_SHOWN], f"{told}: {len(lines) - MOST_PROBLEMS_SHOWN} more faults"]


def by_id(problems: Sequence[Problem], id_field: str, told: str) -> list[Problem]:
    """The problems in the order of their ids, whatever the order of the rows is.

    Raises:
        ConfigError: for an id that is there twice.
    """
    repeated = [id for id, times in Counter(problem.id for problem in problems).items() if times > 1]
    if repeated:
        raise ConfigError(
            [
                f"{told}: {len(repeated)} values of the field '{id_field}' are there more than once, the first is"
                f" {repeated[0]}; make them unique, or name another field with dataset.id_field= (null: none)"
            ]
        )
    return sorted(problems, key=lambda problem: problem.id)


def told_numbers(numbers: Sequence[tuple[str, float]]) -> list[str]:
    """A line about the answers that are numbers with a decimal point."""
    if not numbers:
        return []
    where, first = numbers[0]
    file = where.rpartition(":")[0]
    told = f"{first} as {as_text(first)}"
    return [f"{file}: {len(numbers)} answers hold numbers with a decimal point; they are read as text, {told}"]


def as_problem(row: Row, config: RowsSection, id_field: str | None) -> Problem:
    """The problem of one row.

    Raises:
        BadField: for a missing field, or a field of another type than it must have.
    """
    fields = row.content
    if row.fault:
        raise BadField(row.fault)
    if not isinstance(fields, dict):
        raise BadField(f"is {kind(fields)}: must be an object with fields")
    template = config.prompt_template
    reads_prompt = template is None or "prompt" in names_in(template)
    wanted = {
        "prompt_field": config.prompt_field if reads_prompt else None,
        "answer_field": config.answer_field,
        "solution_field": config.solution_field,
        "id_field": id_field,
    }
    lacking = {key: name for key, name in wanted.items() if name is not None and name not in fields}
    if lacking:
        raise BadField(*(missing(key, name, fields) for key, name in lacking.items()))
    if reads_prompt:
        prompt, answer, solution = named(config.prompt_field, lambda value: asked(value, config), fields)
        question = prompt_text(prompt)
        framed = named(config.prompt_field, lambda value: frame(prompt, fields, config), fields)
    else:
        answer, solution = (), None
        assert template is not None
        question = "\n".join(str(fields[name]) for name in sorted(names_in(template)) if name in fields)
        framed = frame("", fields, config)
    if config.answer_field is not None:
        answer = named(config.answer_field, read_answer, fields)
    if config.solution_field is not None:
        solution = named(config.solution_field, lambda value: not_empty(as_text(as_reply(value))), fields)
    id = named(id_field, lambda value: not_empty(as_text(value)), fields) if id_field is not None else row.where
    return Problem(id, framed, answer, solution, fields, question=question)


def asked(value: Any, config: RowsSection) -> tuple[str | tuple[Message, ...], str | tuple[()], str | None]:
    """A prompt, with the answer and the solution that a conversation ends with where no field has the answer."""
    if config.answer_field is not None or isinstance(value, str):
        return read_prompt(value), (), None
    messages = read_messages(value)
    if messages[-1].role != "assistant":
        return read_prompt(value), (), None
    if len(messages) == 1:
        raise BadField("is one message of the assistant, taken as the answer: nothing is asked before it")
    answer = messages[-1].content
    return read_prompt(value[:-1]), answer, answer


def missing(key: str, name: str, fields: Mapping[str, Any]) -> str:
    """A line about a field that a row lacks."""
    told = f"no field '{name}' (it has: {', '.join(map(str, fields)) or 'none'}); name yours with dataset.{key}="
    talks = [field for field, value in fields.items() if is_conversation(value)]
    if key == "prompt_field" and talks:
        return f"{told}, such as dataset.prompt_field={talks[0]}, which holds a conversation"
    if key == "answer_field":
        return f"{told}, or set it to null: {'the last message of the assistant' if talks else 'no answer'}"
    return told


def named(field: str, read: Callable[[Any], Any], row: Mapping[str, Any]) -> Any:
    try:
        return read(row[field])
    except BadField as error:
        raise BadField(f"the field '{field}' {error}") from None
