"""What stops a run before it does harm."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal

SHOWN = 500  # characters of a path
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class GuardStop(Exception):
    """A guard stopped the run; the weights are those before the offending update. Exit code 3."""


class OutOfMemory(Exception):
    """The memory of the machine or of a GPU was not enough; says which keys to change. Exit code 1."""


class RankLost(Exception):
    """Another rank ended in the middle of a run. Exit code 1."""


class SamplerLost(Exception):
    """The process that samples ended, or failed, in the middle of a run. Exit code 1."""


def stop_signals() -> list[signal.Signals]:
    """Those that ask a command to stop. A SIGHUP that is ignored, as under `nohup`, is none."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the memory of the machine, which has no type of its own, or of a GPU was not enough."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def number_of(error: BaseException) -> int | None:
    """The errno of an error of a file; safetensors has a type of its own, which tells the number in words."""
    if isinstance(error, OSError):
        return error.errno
    if type(error).__name__ != "SafetensorError":
        return None
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def file_fault(error: BaseException) -> str | None:
    """Why a file could not be written, if that is what `error` says."""
    if isinstance(error, shutil.Error):  # of many files, each with its own
        return str(error.args[0][0][2])
    number = number_of(error)
    if number is not None:
        return os.strerror(number)
    return str(error) if isinstance(error, OSError) else None


def file_problem(error: BaseException) -> str | None:
    """A line about the file that `error` names, if it does: one that may not be read or written, is a folder, or went
    away while a command used it."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    name = error.filename2 or error.filename  # of a file that should take the place of another: that one
    place = os.fsdecode(name) if isinstance(name, str | bytes) else str(name)
    return f"{place if len(place) <= SHOWN else f'{place[:SHOWN]}...'}: {file_fault(error)}"


def no_space(error: BaseException) -> str | None:
    """A line about a full disk, a quota or a limit of files, if that is what `error` says."""
    if number_of(error) not in FULL:
        return None
    place = getattr(error, "filename", None)
    return (
        f"{f'{place}: ' if place else ''}{file_fault(error)}: free some; what was saved is whole, and a run goes on"
        " from its newest checkpoint with `sspo train --resume RUN`"
    )
