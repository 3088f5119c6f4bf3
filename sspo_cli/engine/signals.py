"""Ctrl-C, SIGTERM and a terminal that is closed (SIGHUP): the first finishes the step and saves, the second stops at
once; or already the first does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sspo_cli.guards import stop_signals


class StopRequest:
    """Whether somebody asked the run to stop, or the process that it runs for is gone."""

    def __init__(self, parent: int | None, *, at_once: bool) -> None:
        self.parent = parent
        self.at_once = at_once
        self.signalled = False

    @property
    def asked(self) -> bool:
        return self.signalled or self.parent not in (None, os.getppid())

    def __call__(self, number: int, frame: FrameType | None) -> None:
        before, self.signalled = self.signalled, True
        if before or self.at_once:
            raise KeyboardInterrupt


@contextmanager
def stop_request(parent: int | None = None, *, at_once: bool = False) -> Iterator[StopRequest]:
    """Handle SIGINT, SIGTERM and SIGHUP inside the block: a flag is set, and the second one raises KeyboardInterrupt.

    parent: the process that started this one, without which there is no point in going on. at_once: the first raises.

    Raises:
        RuntimeError: in the place of a KeyboardInterrupt that no signal caused: code of the user's can raise one too.
    """
    request = StopRequest(parent, at_once=at_once)
    before = {number: signal.signal(number, request) for number in stop_signals()}
    try:
        yield request
    except KeyboardInterrupt as error:
        if request.signalled:
            raise
        raise RuntimeError(f"KeyboardInterrupt without Ctrl-C: {error}") from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
