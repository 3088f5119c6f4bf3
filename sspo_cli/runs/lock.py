"""Whether somebody is at work in a folder: a lock that the operating system releases however its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sspo_cli.config.errors import ConfigError

FILE = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Be the one at work in `folder`.

    Raises:
        ConfigError: naming the process that already is.
    """
    with (folder / FILE).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigError(
                [f"{folder}: process {file.read().strip() or '?'} is at work there; wait for it"]
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def is_held(folder: Path) -> bool:
    """Whether a process is at work in `folder`, on this machine or on one that shares its disk."""
    try:
        file = (folder / FILE).open(encoding="utf-8")
    except OSError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
