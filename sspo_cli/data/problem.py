"""A problem, and what the engine asks of a source of problems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, runtime_checkable


@dataclass(frozen=True)
class Message:
    """One turn of a conversation. role: system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Problem:
    """prompt: what the model reads, a text or messages. answer: what a reward compares with; of several, any is right;
    an empty tuple where there is none.

    solution: a worked response, if there is one. fields: the row as its source has it, as JSON values, for rewards.
    source: the part of a mixture that the problem is of; empty where there is no mixture. question: what the prompt
    asks, before anything frames it; empty where that is the prompt. rendered: the prompt as the model read it, with its
    special tokens; empty until it is sampled.
    """

    id: str
    prompt: str | tuple[Message, ...]
    answer: str | tuple[str, ...]
    solution: str | None
    fields: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    source: str = ""
    question: str = field(default="", compare=False, repr=False)
    rendered: str = field(default="", compare=False, repr=False)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """The problem that `dataclasses.asdict` wrote as `content`."""
        prompt, answer = content["prompt"], content["answer"]
        lists = {
            "prompt": prompt if isinstance(prompt, str) else tuple(Message(**turn) for turn in prompt),
            "answer": answer if isinstance(answer, str) else tuple(answer),
        }
        return cls(**{**content, **lists})

    @property
    def text(self) -> str:
        """The prompt for people: messages stand one after the other, each behind its role."""
        return as_text(self.prompt)

    @property
    def answers(self) -> tuple[str, ...]:
        """Every accepted answer."""
        return (self.answer,) if isinstance(self.answer, str) else self.answer


def as_text(prompt: str | tuple[Message, ...]) -> str:
    """A prompt as one text."""
    if isinstance(prompt, str):
        return prompt
    return "\n".join(f"{message.role}: {message.content}" for message in prompt)


class Dataset(Protocol):
    """Problems to learn from, as an endless stream, and held-out problems, the same for every seed.

    notes: lines for the user about how the data was read.
    """

    @property
    def evaluation(self) -> list[Problem]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    @property
    def train_size(self) -> int | None:
        """Different problems to learn from; None if they never end."""
        ...

    def train_problem(self, index: int) -> Problem:
        """The index-th problem of the training stream; depends on the seed and `index` alone."""
        ...

    def problems(self) -> Iterable[Problem]:
        """Every problem to learn from, in the order of its source; of an endless stream, one with a longest prompt."""
        ...


@runtime_checkable
class CanLeaveOut(Protocol):
    """A dataset that lists its problems, so that some can be left out."""

    def without(self, problems: Collection[Problem]) -> Dataset:
        """The same dataset without `problems`, to learn from and to evaluate on."""
        ...
