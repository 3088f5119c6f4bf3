"""Whether somebody is at work in a folder: a lock that the operating system releases however its holder ends."""

from __future__ import annotations

import fcntl
import os
import socket
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
            raise ConfigError([f"{folder}: {holder(folder)} is at work there; wait for it, or end it"]) from None
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}\n")
        file.flush()
        yield


def holder(folder: Path) -> str:
    """Who took the lock last, for a person."""
    try:
        process, host = (folder / FILE).read_text(encoding="utf-8").split()
    except (OSError, ValueError):
        return "another process"
    return f"process {process}" if host == socket.gethostname() else f"process {process} on {host}"


def is_held(folder: Path) -> bool:
    """Whether a process is at work in `folder`."""
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


def is_abandoned(folder: Path) -> bool:
    """Whether the process that took the lock is gone; False for other machines, whose locks may not reach this one."""
    try:
        host = (folder / FILE).read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError):
        return False
    return host == socket.gethostname() and not is_held(folder)
