"""The scorers of reasoning-gym: each task grades answers to its own problems, from 0 to 1."""

from __future__ import annotations

import ast
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import Parts

# Scorers that hand the answer to Python's eval: it must be a literal, or nothing that Python can read.
EVALUATING = ("binary_matrix", "n_queens", "spiral_matrix", "string_insertion")
# Scorers that hand it to sympy.parse_expr, which calls eval: it must be a formula of numbers, letters and functions.
PARSING = ("countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration")
FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "sinh", "cosh", "tanh", "log", "ln", "exp"),
    *("sqrt", "pi"),
}
LONGEST = 10_000  # characters of an answer
FORMULA = re.compile(r"(?:[\s\d+\-*/^()]|(?<=\d)\.(?![^\W\d_])|\.(?=\d)|[A-Za-z])*")
DATA = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.List, ast.Tuple, ast.Set, ast.Dict),
    *(ast.UnaryOp, ast.UAdd, ast.USub),
)
# Where a scorer compares with tuples, which JSON has as lists.
TUPLES = {"arc_agi": ("input", "output"), "rearc": ("input", "output")}


class TaskReward:
    """The score of the final answer: the text between the last `after` that has a `before` behind it, and that one.

    None is the beginning, or the end, of the response. A response without its marks scores 0, and so does an answer
    that its scorer would run as code, or fails on: scorers raise at answers of another form.
    """

    def __init__(self, after: str | None, before: str | None) -> None:
        self.after = after
        self.before = before

    def __call__(self, problem: Problem, response: str) -> Parts:
        entry = problem.fields
        if "task" not in entry:
            raise ConfigError(
                [f"{problem.id}: reward=task grades problems of dataset=reasoning_gym alone; choose another reward"]
            )
        answer = self.final(response)
        if answer is None or not is_harmless(entry["task"], answer):
            return {"task": 0.0}
        with undisturbed():
            scorer = scorer_of(entry["task"], json.dumps(entry["params"], sort_keys=True))
            try:
                score = float(scorer.score_answer(answer, restored(entry)))
            except Exception:
                return {"task": 0.0}
        return {"task": min(max(score, 0.0), 1.0)}

    def final(self, response: str) -> str | None:
        found = response
        if self.before is not None:
            found, mark, _ = found.rpartition(self.before)
            if not mark:
                return None
        if self.after is not None:
            _, mark, found = found.rpartition(self.after)
            if not mark:
                return None
        return found.strip()


@cache
def scorer_of(task: str, params: str) -> Any:
    """The dataset of a task, for some scorers read its parameters."""
    import reasoning_gym

    return reasoning_gym.create_dataset(task, **json.loads(params), seed=0)


def restored(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as its task made it."""
    metadata = dict(entry["metadata"])
    for key in TUPLES.get(entry["task"], ()):
        metadata[key] = tuple(tuple(row) for row in metadata[key])
    return {"question": entry["question"], "answer": entry["answer"], "metadata": metadata}


def is_harmless(task: str, answer: str) -> bool:
    """Whether the scorer of `task` runs nothing of what stands in `answer`."""
    if len(answer) > LONGEST:
        return False
    if task in PARSING:
        names = re.findall(r"[A-Za-z]+", answer)
        return FORMULA.fullmatch(answer) is not None and all(len(name) == 1 or name in FUNCTIONS for name in names)
    return task not in EVALUATING or is_data(answer)


def is_data(text: str) -> bool:
    """Whether Python would read nothing in it, or literals and names alone."""
    try:
        tree = ast.parse(text.lstrip(" \t"), mode="eval")
    except (SyntaxError, ValueError):
        return True
    except (MemoryError, RecursionError):
        return False
    return all(isinstance(node, DATA) for node in ast.walk(tree))


@contextmanager
def undisturbed() -> Iterator[None]:
    """What is drawn from the global random generators inside the block is not missed outside."""
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
