"""What a reward is, what counts as correct, and which rewards are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.guards import GuardStop

Parts = Mapping[str, float]
# From a problem and a response to the parts of its reward; None where the problem has no answer to compare with.
RewardFunction = Callable[[Problem, str], Mapping[str, Any] | None]

FROM = 1.0  # a part counts as correct from here upwards
METRICS = ("mean", "unscored")  # of `reward/`: names that no part can have
SHOWN = 60  # characters of a response in an error


@dataclass(frozen=True)
class Score:
    """The score of one response.

    parts: their sum is the reward; NaN means "could not be scored". correct: None where the problem has no answer to
    compare with, so that none of its responses counts.
    """

    parts: Parts
    correct: bool | None

    @property
    def reward(self) -> float:
        return sum(self.parts.values()) if self.parts else math.nan


class Rewarder:
    """Applies a reward function to responses, and decides which of them are correct.

    correct: the part that decides, correct from 1 upwards; or a number, from which on the sum of the parts is correct;
    None where the reward has one part, which decides.
    """

    def __init__(self, rate: RewardFunction, correct: str | float | None = None) -> None:
        self.rate = rate
        self.correct = correct
        self.names: set[str] = set()

    @property
    def notes(self) -> Mapping[str, str]:
        """By topic, lines for the user about the problems that were met so far."""
        found: Mapping[str, str] = getattr(self.rate, "notes", {})
        return found

    @property
    def rule(self) -> str:
        """What makes a response correct, such as `accuracy >= 1`; empty before a response was scored."""
        if isinstance(self.correct, float):
            return f"reward >= {self.correct:g}"
        decisive = self.correct or next(iter(self.names), None)
        return f"{decisive} >= {FROM:g}" if decisive else ""

    def score(self, items: Iterable[tuple[Problem, str]]) -> list[Score]:
        """The score of every (problem, response).

        Raises:
            ConfigError: if the function returns something else than numbers, or the parts do not say what is correct.
            GuardStop: naming the part and the response.
        """
        scores = [self.score_one(problem, response) for problem, response in items]
        if isinstance(self.correct, str) and self.names and self.correct not in self.names:
            raise ConfigError(
                [f"reward.correct={self.correct}: no response has such a part; the parts are {listed(self.names)}"]
            )
        return scores

    def score_one(self, problem: Problem, response: str) -> Score:
        found = self.rate(problem, response)
        if found is None:
            return Score({}, None)
        parts = {name: as_number(value, name, problem) for name, value in found.items()}
        self.check(parts, problem, response)
        return Score(parts, self.is_correct(parts))

    def check(self, parts: Parts, problem: Problem, response: str) -> None:
        if not parts:
            raise ConfigError([f"{problem.id}: the reward has no parts; return a number or a dict of numbers"])
        unnamed = [name for name in parts if not isinstance(name, str) or not name.isprintable() or not name.strip()]
        if unnamed:
            raise ConfigError([f"{problem.id}: the reward has a part named {unnamed[0]!r}: must be a printable text"])
        self.names |= parts.keys()
        taken = sorted(self.names.intersection(METRICS))
        if taken:
            raise ConfigError([f"the reward has a part '{taken[0]}': reward/{taken[0]} is another metric; rename it"])
        if self.correct is None and len(self.names) > 1:
            raise ConfigError(
                [
                    f"reward.correct: must say what is correct, since the reward has several parts"
                    f" ({listed(self.names)}); set reward.correct=PART (correct from 1 upwards) or"
                    " reward.correct=NUMBER (correct from this sum upwards)"
                ]
            )
        for name, value in [*parts.items(), ("sum", sum(parts.values()))]:
            if math.isinf(value):
                begin = response if len(response) <= SHOWN else f"{response[:SHOWN]}..."
                raise GuardStop(f"the reward part '{name}' of {problem.id} is {value}, for the response {begin!r}")

    def is_correct(self, parts: Parts) -> bool:
        total = sum(parts.values())
        if math.isnan(total):
            return False
        if isinstance(self.correct, float):
            return total >= self.correct
        decisive = self.correct or next(iter(self.names))
        return parts.get(decisive, 0.0) >= FROM


def as_number(value: Any, name: str, problem: Problem) -> float:
    """A part of a reward as a float; None is NaN.

    Raises:
        ConfigError: if it is not a number.
    """
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        raise ConfigError(
            [f"{problem.id}: the reward part '{name}' is {value!r}: must be a number, or None if it cannot be scored"]
        ) from None


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
