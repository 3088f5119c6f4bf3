"""Requests that wait for a sampler, and how many of them fit into its memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sspo_cli.types import Request


@dataclass(frozen=True)
class Room:
    """For `rows` requests with prompts of at most `longest` tokens. more: whether requests are left over."""

    rows: int
    longest: int
    more: bool


class Queue:
    """waiting: the first requests of an iterator, as many as have been asked for."""

    def __init__(self, requests: Iterator[Request]) -> None:
        self.requests = requests
        self.waiting: deque[Request] = deque()

    def fill(self, count: int) -> int:
        """Let `count` requests wait, fewer if there are no more; how many do."""
        self.waiting.extend(islice(self.requests, max(0, count - len(self.waiting))))
        return len(self.waiting)

    def take(self, count: int) -> list[Request]:
        return [self.waiting.popleft() for _ in range(count)]

    def room(self, tokens: int, spare: int = 0) -> Room:
        """Room for the next requests of one decoding, at least for one: a row of each has its prompt, max_tokens and
        `spare` tokens, and all rows, each as long as the longest, have `tokens`."""
        decoding = self.waiting[0].decoding
        taken, longest, rows = 0, 0, 1
        while taken <= rows and self.fill(taken + 1) > taken and self.waiting[taken].decoding == decoding:
            longest = max(longest, len(self.waiting[taken].context_S))
            rows = max(1, tokens // (longest + decoding.max_tokens + spare))
            taken += 1
        return Room(min(rows, taken), longest, taken > rows)
