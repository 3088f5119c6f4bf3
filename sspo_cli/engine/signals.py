"""Ctrl-C and SIGTERM: the first finishes the step and saves, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """Whether somebody asked the run to stop, or the process that it runs for is gone."""

    def __init__(self, parent: int | None) -> None:
        self.parent = parent
        self.signalled = False

    @property
    def asked(self) -> bool:
        return self.signalled or self.parent not in (None, os.getppid())

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.signalled:
            raise KeyboardInterrupt
        self.signalled = True


@contextmanager
def stop_request(parent: int | None = None) -> Iterator[StopRequest]:
    """Handle SIGINT and SIGTERM inside the block; only a flag is set in the handler.

    parent: the process that started this one, without which there is no point in going on.
    """
    request = StopRequest(parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # whoever started us may block them
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
