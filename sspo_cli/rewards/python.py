"""A user's own reward function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.function import GraderFailed, GraderInterrupted, RewardFunction
from sspo_cli.userfile import UserFile

USUAL = 3  # prompt, response, answer: by place
# What a function is given besides, by the name of its parameter: the row with all its columns, and the text that the
# model read.
MORE: Mapping[str, Callable[[Problem], Any]] = {
    "fields": lambda problem: deepcopy(dict(problem.fields)),
    "rendered": lambda problem: problem.rendered,
}


def python_reward(path: str, function: str) -> RewardFunction:
    """`function(prompt, response, answer)` of the file at `path`, returning a number or a dict of named parts.

    prompt: the text of the dataset, or its list of messages. answer: the text of the dataset, or its list of accepted
    answers, empty where it has none. None instead of a number means "could not be scored". Parameters of the names in
    MORE are passed to a function that has them.

    Raises:
        ConfigError: if the file is missing, fails to import (by sys.exit() too), or has no such function; if the
            function needs more than it can be given.
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

    Raises:
        ConfigError: if `rate` needs more than it can be given.
    """
    wanted = wanted_of(rate, who)

    def call(problem: Problem, response: str) -> Mapping[str, Any]:
        prompt = problem.prompt if isinstance(problem.prompt, str) else [asdict(turn) for turn in problem.prompt]
        answer = problem.answer if isinstance(problem.answer, str) else list(problem.answer)
        try:
            with running():
                value = rate(prompt, response, answer, **{name: MORE[name](problem) for name in wanted})
        except BaseException as error:
            raise named(error, who) from error
        return value if isinstance(value, Mapping) else {function: value}

    return call


def wanted_of(rate: Callable[..., Any], who: str) -> list[str]:
    """The names in MORE that `rate` has a parameter for."""
    try:
        parameters = list(signature(rate).parameters.values())
    except (TypeError, ValueError):  # some that are written in C have none
        return []
    more = [one for one in parameters if one.kind is one.KEYWORD_ONLY]
    more += [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD][USUAL:]
    unknown = [one.name for one in more if one.default is one.empty and one.name not in MORE]
    if unknown:
        raise ConfigError(
            [
                f"{who} has the parameter '{unknown[0]}': after prompt, response and answer there are"
                f" {' and '.join(MORE)}; give it a default, or read the column from fields"
            ]
        )
    return [one.name for one in more if one.name in MORE]


def named(error: BaseException, who: str) -> BaseException:
    """An error that names `who`, and ends no process without a word as SystemExit does."""
    kind = GraderInterrupted if isinstance(error, KeyboardInterrupt) else GraderFailed
    try:
        raised = repr(error)
    except BaseException:
        raised = f"{type(error).__name__}, which cannot be shown"
    return kind(f"{who} raised {raised}")
