"""The processes that train together: for now one. The only place that knows of ranks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from torch import Tensor

T = TypeVar("T")


class World(Protocol):
    """What the ranks of a run have to agree on. Rank 0 writes."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    def sum(self, value_N: Tensor) -> Tensor:
        """The sum over ranks, on every rank."""
        ...

    def most(self, count: int) -> int:
        """The largest count of any rank: so many passes every rank makes."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on some rank: somebody was asked to stop."""
        ...

    def gather(self, items: Sequence[T]) -> list[T]:
        """The items of all ranks, in the order of ranks, on every rank."""
        ...


class OneProcess:
    """A world of one rank: everything is as it is here."""

    rank, size = 0, 1

    def sum(self, value_N: Tensor) -> Tensor:
        return value_N

    def most(self, count: int) -> int:
        return count

    def any(self, flag: bool) -> bool:
        return flag

    def gather(self, items: Sequence[T]) -> list[T]:
        return list(items)
