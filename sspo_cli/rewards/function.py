"""What a reward function is: it grades one response. It runs in the run's own process or in a worker."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sspo_cli.data.problem import Problem

Parts = Mapping[str, float]
# From a problem and a response to the parts of its reward. None where the problem has no answer to compare with: that
# depends on the problem alone. A function may have an attribute `remarks`, from a problem to topics of remarks.LINES.
RewardFunction = Callable[[Problem, str], Mapping[str, Any] | None]


class Named(BaseException):
    """A reward function raised something: the message says which function, the cause is the error itself."""


class GraderFailed(Named, RuntimeError):
    """It raised anything, SystemExit and the like included."""


class GraderInterrupted(Named, KeyboardInterrupt):
    """It raised KeyboardInterrupt, which may come from the keyboard."""


def as_float(value: Any) -> float:
    """A part of a reward as a float; None is NaN, an integer too large for a float is infinite.

    Raises:
        TypeError, ValueError: if it is no number.
    """
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def remarks_of(function: RewardFunction, problem: Problem) -> Sequence[str]:
    """The topics that `function` has to remark on about `problem`, once it has graded a response to it."""
    found: Sequence[str] = getattr(function, "remarks", lambda problem: ())(problem)
    return found


def told(error: BaseException) -> tuple[str, str]:
    """One line that says what failed, and the traceback of the error."""
    cause = error.__cause__ if isinstance(error, Named) and error.__cause__ else error
    text = str(error) if isinstance(error, Named) else f"the reward raised {error!r}"
    return " ".join(text.split()), "".join(traceback.format_exception(cause))
