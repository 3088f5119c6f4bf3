"""A user's own reward function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import GraderFailed, GraderInterrupted, RewardFunction
from sspo_cli.userfile import UserFile


def python_reward(path: str, function: str) -> RewardFunction:
    """`function(prompt, response, answer)` of the file at `path`, returning a number or a dict of named parts.

    prompt: the text of the dataset, or its list of messages. answer: the text of the dataset, or its list of accepted
    answers. None instead of a number means "could not be scored".

    Raises:
        ConfigError: if the file is missing, fails to import (by sys.exit() too), or has no such function.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError([f"reward.path={path}: no such file (looked in {file.absolute().parent})"])
    try:
        users = UserFile(file)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a file that calls sys.exit() is as bad as one that raises
        raise ConfigError([f"reward.path={path}: {type(error).__name__}: {error}".removesuffix(": ")]) from error
    rate = getattr(users.module, function, None)
    if not callable(rate):
        raise ConfigError([f"reward.function={function}: {path} defines no such function"])

    return called(rate, function, f"reward.path={path}: {function}", users.running)


def called(
    rate: Callable[..., Any],
    function: str,
    who: str,
    running: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> RewardFunction:
    """`rate` with its arguments as users know them, as a reward function; an error in it names `who`.

    function: the name of the part, where `rate` returns a number. running: a context that it is called in.
    """

    def call(problem: Problem, response: str) -> Mapping[str, Any]:
        prompt = problem.prompt if isinstance(problem.prompt, str) else [asdict(turn) for turn in problem.prompt]
        answer = problem.answer if isinstance(problem.answer, str) else list(problem.answer)
        try:
            with running():
                value = rate(prompt, response, answer)
        except BaseException as error:
            raise named(error, who) from error
        return value if isinstance(value, Mapping) else {function: value}

    return call


def named(error: BaseException, who: str) -> BaseException:
    """An error that names `who`, and ends no process without a word as SystemExit does."""
    kind = GraderInterrupted if isinstance(error, KeyboardInterrupt) else GraderFailed
    try:
        raised = repr(error)
    except BaseException:
        raised = f"{type(error).__name__}, which cannot be shown"
    return kind(f"{who} raised {raised}")
