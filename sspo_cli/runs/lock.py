"""Whether somebody is at work in a folder: a lock that the operating system releases however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.text import BrokenFile, read_text

FILE = ".lock"
TRIES, PAUSE_S = 5, 0.02


@contextmanager
def hold(folder: Path) -> Iterator[str]:
    """Be the one at work in `folder`; gives the signature that `signature` reads there.

    Raises:
        ConfigError: naming the process that already is.
    """
    own = f"{os.getpid()} {socket.gethostname()} {time.time()}"
    file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not take(file):
            raise ConfigError([f"{folder}: {holder(folder)} is at work there; wait for it, or end it"])
        # Written before it is cut: a file emptied first would look the same to readers for every run that begins.
        os.pwrite(file, own.encode(), 0)
        os.ftruncate(file, len(own.encode()))
        yield own
    finally:
        os.close(file)


def take(file: int) -> bool:
    """Whether the lock could be had. Tried more than once: `is_held` has it for an instant while it looks."""
    for attempt in range(TRIES):
        time.sleep(PAUSE_S if attempt else 0)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def signature(folder: Path) -> str:
    """Of the one who took the lock last: process, machine, and when."""
    try:
        return read_text(folder / FILE)
    except (OSError, BrokenFile):
        return ""


def holder(folder: Path) -> str:
    """Who took the lock last, for a person."""
    process, *_ = (*signature(folder).split(), "?")
    host = other_host(folder)
    return f"process {process} on {host}" if host else f"process {process}"


def other_host(folder: Path) -> str | None:
    """The machine of the one who took the lock last; None if it is this one, or nobody did."""
    _, host, *_ = (*signature(folder).split(), "", "")
    return host if host not in ("", socket.gethostname()) else None


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
    return socket.gethostname() in signature(folder).split() and not is_held(folder)
