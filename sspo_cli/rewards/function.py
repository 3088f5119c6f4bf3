"""What a reward function is: it grades one response. It runs in the run's own process or in a worker."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sspo_cli.data.problem import Problem

Parts = Mapping[str, float]
# From a problem and a response to the parts of its reward. None where the problem has no answer to compare with: that
# depends on the problem alone. A function may have an attribute `remarks`, from a problem to topics of remarks.LINES.
RewardFunction = Callable[[Problem, str], Mapping[str, Any] | None]


class GraderFailed(RuntimeError):
    """A reward function raised something: the message says which function, the cause is the error itself."""


def remarks_of(function: RewardFunction, problem: Problem) -> Sequence[str]:
    """The topics that `function` has to remark on about `problem`, once it has graded a response to it."""
    found: Sequence[str] = getattr(function, "remarks", lambda problem: ())(problem)
    return found


def told(error: BaseException) -> tuple[str, str]:
    """One line that says what failed, and the traceback of the error."""
    cause = error.__cause__ if isinstance(error, GraderFailed) and error.__cause__ else error
    text = str(error) if isinstance(error, GraderFailed) else f"the reward raised {error!r}"
    return " ".join(text.split()), "".join(traceback.format_exception(cause))
