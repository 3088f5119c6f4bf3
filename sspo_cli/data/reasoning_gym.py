"""Problems of reasoning-gym (arXiv 2505.24760), which makes them by task, parameters and seed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import ReasoningGymData
from sspo_cli.data.apart import asked, without_held_out
from sspo_cli.data.fields import BadField
from sspo_cli.data.listed import Listed
from sspo_cli.data.mixture import Mixture, shares
from sspo_cli.data.problem import Dataset, Problem
from sspo_cli.data.prompting import frame
from sspo_cli.seeds import stream

GENERATOR = Path(__file__).with_name("generator.py")
PACKAGE = "reasoning_gym"
# Item i of a stream has the seed `first` + i. Held-out problems have those below APART, problems to learn from those of
# a range of their own above 2 * APART; some tasks take no seed of 2**32 or more.
APART = 10**9
TRIES = 50  # per held-out problem, until as many as are asked for differ
REFUSED = {
    "composite": "is made of other tasks; name those, with weights: dataset.tasks={chain_sum: 2, leg_counting: 1}",
    "codeio": "makes its problems by running programs that a language model wrote, which nothing here isolates",
}


@dataclass
class Made:
    """What was made of a task. failed: why some items could not be."""

    entries: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"eval": [], "train": []})
    failed: str | None = None


def load_reasoning_gym(config: ReasoningGymData, seed: int, eval_problems: int) -> Dataset:
    """The problems of one task; of several, a mixture in which each is a source by itself.

    Raises:
        ConfigError: if the package is not there, for an unknown task, for parameters that a task refuses, and where
            different problems run out.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            ["dataset=reasoning_gym: needs the package reasoning-gym; install it: pip install 'sspo[reasoning-gym]'"]
        )
    weights = config.weights
    held_out = shares(eval_problems, list(weights))
    found = made(config, seed, held_out)
    parts: dict[str, Listed] = {}
    notes: list[str] = []
    problems: list[str] = []
    for task in weights:
        try:
            parts[task] = of_task(task, found[task], config, seed, held_out[task])
            notes += parts[task].notes
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return parts.popitem()[1] if len(parts) == 1 else Mixture(parts, weights, seed, notes)


def of_task(task: str, found: Made, config: ReasoningGymData, seed: int, held_out: int) -> Listed:
    """Different problems to learn from, none of which is held out."""
    try:
        evaluation, drawn = (
            [as_problem(f"{name}/{place}", task, entry, config) for place, entry in enumerate(found.entries[name])]
            for name in ("eval", "train")
        )
    except BadField as error:
        raise ConfigError([f"dataset=reasoning_gym: a problem of {task} {error}"]) from None
    why = f" (some could not be made: {found.failed})" if found.failed else ""
    if len(evaluation) < held_out:
        raise ConfigError(
            [
                f"eval.problems: {task} has only {len(evaluation)} different problems in {TRIES * held_out} draws, and"
                f" {held_out} are to be held out; ask for fewer, or set dataset.params.{task} wider{why}"
            ]
        )
    different = list({asked(problem): problem for problem in reversed(drawn)}.values())[::-1]
    train, dropped = without_held_out(different, evaluation)
    if not train:
        raise ConfigError(
            [
                f"dataset.tasks: {task}: all {len(different)} different problems of {config.size} are held out, and"
                f" none is left to learn from; set eval.problems lower, or dataset.params.{task} wider{why}"
            ]
        )
    notes = []
    if len(train) < config.size:
        notes.append(
            f"dataset=reasoning_gym: {task}: {len(train)} problems to learn from; of dataset.size={config.size},"
            f" {len(different)} differ, and {dropped} of those are held out{why}"
        )
    return Listed(train, evaluation, seed, notes)


def as_problem(name: str, task: str, entry: Mapping[str, Any], config: ReasoningGymData) -> Problem:
    """A problem, with all that its scorer reads in `fields`. Some tasks name no answer, where many are right."""
    fields = {"task": task, "params": dict(config.params.get(task, {})), **entry}
    answer = entry["answer"]
    return Problem(
        id=name,
        prompt=frame(entry["question"], fields, config),
        answer=() if answer is None else str(answer),
        solution=None,
        fields=fields,
        question=entry["question"],
    )


def made(config: ReasoningGymData, seed: int, held_out: Mapping[str, int]) -> dict[str, Made]:
    """The entries of every task, made in a process of their own.

    Raises:
        ConfigError: with what that process says is wrong.
    """
    first = 2 * APART + int(stream(seed, PACKAGE).integers(APART))
    orders = [
        {
            "task": task,
            "params": dict(config.params.get(task, {})),
            "streams": [
                {"name": "eval", "seed": 0, "count": count, "tries": TRIES * count},
                {"name": "train", "seed": first, "count": config.size, "tries": config.size},
            ],
        }
        for task, count in held_out.items()
    ]
    found = {task: Made() for task in held_out}
    problems: list[str] = []
    for answer in answers({"path": sys.path, "tasks": orders, "refused": REFUSED}):
        problems += answer.get("problems", [])
        if "entry" in answer:
            found[answer["task"]].entries[answer["stream"]].append(answer["entry"])
        elif "failed" in answer:
            found[answer["task"]].failed = answer["failed"]
    if problems:
        raise ConfigError(problems)
    return found


def answers(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines that the generator writes.

    Raises:
        ConfigError: if it ends before it is done.
    """
    command: Sequence[str] = [sys.executable, "-P", str(GENERATOR)]
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, input=json.dumps(request), stdout=subprocess.PIPE, text=True, env=env)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.endswith("}")]
    if done.returncode or not any("done" in line or "problems" in line for line in lines):
        raise ConfigError([f"dataset=reasoning_gym: the process that makes its problems ended with {done.returncode}"])
    yield from lines
