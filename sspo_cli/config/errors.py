"""The one error that a user's input can cause."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any


class ConfigError(Exception):
    """Everything wrong with what the user asked for, one line per problem. The command line exits with code 2."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes it again from its problems, as ranks do."""
        return ConfigError, (self.problems,)


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A question to append to a problem, naming the closest of `choices`; empty if none is close."""
    close = closest(word, choices)
    return f", did you mean '{close}'?" if close else ""


def closest(word: str, choices: Iterable[str]) -> str:
    """The most alike of `choices`, "" if none is close; letters that are swapped count as alike."""
    lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), list(lower), n=5)
    swapped = [found for found in close if sorted(found) == sorted(word.lower())]
    return lower[(swapped or close)[0]] if close else ""


def all_or_problems(*makers: Callable[[], Any]) -> list[Any]:
    """What each of `makers` makes.

    Raises:
        ConfigError: with the problems of all that failed, each told once, so that the first does not hide the others.
    """
    made, problems = [], []
    for make in makers:
        try:
            made.append(make())
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return made
