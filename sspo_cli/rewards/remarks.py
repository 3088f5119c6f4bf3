"""Remarks about problems that a reward met: one line for all problems of a topic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sspo_cli.types import Key  # it imports torch, which a worker does not need

AS_TEXT, EMPTY = "compared as text", "empty answers"
LINES = {
    AS_TEXT: "reward=math: the answers of {problems} cannot be read as mathematics; they are compared as text",
    EMPTY: "the answers of {problems} are empty; no response to them is scored",
}
IDS_SHOWN = 3


class Remarks:
    """By topic of LINES, the problems that it is about, in the order of the first key under which each was met."""

    def __init__(self) -> None:
        self.first_key: dict[str, dict[str, Key]] = {}

    def add(self, topics: Iterable[str], problem: str, key: Key) -> None:
        for topic in topics:
            keys = self.first_key.setdefault(topic, {})
            keys[problem] = min(key, keys.get(problem, key))

    @property
    def lines(self) -> Mapping[str, str]:
        return {topic: LINES[topic].format(problems=counted(keys)) for topic, keys in sorted(self.first_key.items())}


def counted(keys: Mapping[str, Key]) -> str:
    ids = sorted(keys, key=lambda problem: keys[problem])
    shown = ", ".join(ids[:IDS_SHOWN]) + (", ..." if len(ids) > IDS_SHOWN else "")
    return f"{len(ids)} problem{'s' if len(ids) > 1 else ''} ({shown})"
