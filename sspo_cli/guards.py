"""What stops a run before it does harm."""

from __future__ import annotations


class GuardStop(Exception):
    """A guard stopped the run; the weights are those before the offending update. Exit code 3."""


class OutOfMemory(Exception):
    """The memory of the machine or of a GPU was not enough; says which keys to change. Exit code 1."""


class RankLost(Exception):
    """Another rank ended in the middle of a run. Exit code 1."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the memory of the machine, which has no type of its own, or of a GPU was not enough."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )
