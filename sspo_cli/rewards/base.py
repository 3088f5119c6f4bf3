"""The seam of rewards: scores of keyed responses, what counts as correct, and which rewards are refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal, Protocol

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.guards import GuardStop
from sspo_cli.rewards.function import Parts, RewardFunction, as_float, remarks_of, told
from sspo_cli.rewards.remarks import Remarks
from sspo_cli.types import Key, Score

Item = tuple[Key, Problem, str]
OnError = Literal["stop", "skip"]

FROM = 1.0  # a part counts as correct from here upwards
METRICS = ("mean", "unscored", "errors")  # of `reward/`: names that no part can have
SHOWN = 60  # characters of a response in an error


class Rewarder(Protocol):
    """Scores responses, in process or in worker processes."""

    def rule(self, problem: Problem) -> str:
        """What makes a response to `problem` correct, such as `accuracy >= 1`; empty before one was scored."""
        ...

    @property
    def notes(self) -> Mapping[str, str]:
        """By topic, lines for the user about the problems that were met so far."""
        ...

    def score(self, items: Iterator[Item]) -> Iterator[Score]:
        """The score of every (key, problem, response), in any order. `items` is pulled in the calling thread.

        Raises:
            ConfigError: if the function returns something else than numbers, or the parts do not say what is correct;
                a check that needs all responses comes after the last score.
            GuardStop: naming an infinite part and the response.
            RewardError: if a grader fails and reward.on_error=stop.
        """
        ...

    def close(self) -> None:
        """End everything that the rewarder started. A second call does nothing."""
        ...


class RewardError(Exception):
    """The grader of a response failed: it raised, outran its time, or its process ended. The message is one line."""

    def __init__(self, key: Key, problem: Problem, response: str, text: str, traceback: str = "") -> None:
        super().__init__(" ".join(text.split()))
        self.key = key
        self.problem = problem
        self.response = response
        self.traceback = traceback

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes it again from what it was made of, as ranks do."""
        return RewardError, (self.key, self.problem, self.response, str(self), self.traceback)

    def to_json(self) -> dict[str, Any]:
        """What a person needs to repeat it: the response and what was asked, with the error and its traceback."""
        return {
            "error": str(self),
            "traceback": self.traceback,
            "key": asdict(self.key),
            "problem": self.problem.id,
            "prompt": self.problem.text,
            "answer": self.problem.answer if isinstance(self.problem.answer, str) else list(self.problem.answer),
            "response": self.response,
        }


class Judge:
    """Checks the parts of rewards, decides which responses are correct, and what a failed grader means.

    correct: the part that decides, correct from 1 upwards; or a number, from which on the sum of the parts is correct;
    None where the reward has one part, which decides. on_error: raise, or leave the response without a reward.
    has_answer: whether a problem has an answer to compare with. key: how a user says what is correct. remarks: where
    they are gathered.
    """

    def __init__(
        self,
        correct: str | float | None = None,
        on_error: OnError = "stop",
        has_answer: Callable[[Problem], bool] = lambda problem: True,
        key: str = "reward.correct",
        remarks: Remarks | None = None,
    ) -> None:
        self.correct = correct
        self.on_error = on_error
        self.has_answer = has_answer
        self.key = key
        self.names: set[str] = set()
        self.remarks = remarks or Remarks()

    def rule(self, problem: Problem) -> str:
        if isinstance(self.correct, float):
            return f"reward >= {self.correct:g}"
        decisive = self.correct or next(iter(self.names), None)
        return f"{decisive} >= {FROM:g}" if decisive else ""

    def graded(self, item: Item, found: Mapping[str, Any] | None, topics: Iterable[str]) -> Score:
        """The score of a response for which the reward function returned `found`, with remarks on `topics`."""
        key, problem, response = item
        self.remarks.add(topics, problem.id, key)
        if found is None:
            return Score(key, {}, None)
        parts = {name: as_number(value, name, problem) for name, value in found.items()}
        self.check(parts, problem, response)
        return Score(key, parts, self.is_correct(parts))

    def failed(self, item: Item, text: str, traceback: str = "") -> Score:
        """The score of a response whose grader failed: no reward, and not correct.

        Raises:
            RewardError: unless such responses are skipped.
        """
        key, problem, response = item
        if self.on_error == "stop":
            raise RewardError(key, problem, response, text, traceback)
        return Score(key, {}, False if self.has_answer(problem) else None, text)

    def finish(self) -> None:
        """The check that needs all responses."""
        if isinstance(self.correct, str) and self.names and self.correct not in self.names:
            raise ConfigError(
                [f"{self.key}={self.correct}: no response has such a part; the parts are {listed(self.names)}"]
            )

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
                    f"{self.key}: must say what is correct, since the reward has several parts"
                    f" ({listed(self.names)}); set {self.key}=PART (correct from 1 upwards) or"
                    f" {self.key}=NUMBER (correct from this sum upwards)"
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


class Judges:
    """Of a mixture: each problem by the judge of its part. They share their remarks."""

    def __init__(self, parts: Mapping[str, Judge], remarks: Remarks) -> None:
        self.parts = parts
        self.remarks = remarks

    def rule(self, problem: Problem) -> str:
        return self.parts[problem.source].rule(problem)

    def graded(self, item: Item, found: Mapping[str, Any] | None, topics: Iterable[str]) -> Score:
        return self.parts[item[1].source].graded(item, found, topics)

    def failed(self, item: Item, text: str, traceback: str = "") -> Score:
        return self.parts[item[1].source].failed(item, text, traceback)

    def finish(self) -> None:
        for judge in self.parts.values():
            judge.finish()


class Judged:
    """What rewarders with a judge have in common."""

    def __init__(self, judge: Judge | Judges) -> None:
        self.judge = judge

    def rule(self, problem: Problem) -> str:
        return self.judge.rule(problem)

    @property
    def notes(self) -> Mapping[str, str]:
        return self.judge.remarks.lines


class InProcessRewarder(Judged):
    """Calls a reward function in this process, one response after the other. Nothing bounds its time or memory."""

    def __init__(self, function: RewardFunction, judge: Judge | Judges) -> None:
        super().__init__(judge)
        self.function = function

    def score(self, items: Iterator[Item]) -> Iterator[Score]:
        for item in items:
            _, problem, response = item
            try:
                found = self.function(problem, response)
            except Exception as error:
                yield self.judge.failed(item, *told(error))
            else:
                yield self.judge.graded(item, found, remarks_of(self.function, problem))
        self.judge.finish()

    def close(self) -> None:
        pass


def as_number(value: Any, name: str, problem: Problem) -> float:
    """A part of a reward as a float; None is NaN.

    Raises:
        ConfigError: if it is not a number.
    """
    try:
        return as_float(value)
    except (TypeError, ValueError):
        raise ConfigError(
            [f"{problem.id}: the reward part '{name}' is {value!r}: must be a number, or None if it cannot be scored"]
        ) from None


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
