"""A worker process: it grades responses with a reward function, and leaves no process behind.

Two processes, run by pool.py as `python -P worker.py ORDERS ANSWERS LEASH` (file descriptors). The grader runs the
reward function: it reads a JSON line for each response from ORDERS and writes one to ANSWERS. The guard, its parent,
does nothing but wait: when the grader ends, or the run lets go of LEASH (because it wants to, or because it died), the
guard kills the grader and everything that the grader started, and ends as the grader did.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

CLOSED = 113  # exit code of a grader whose reward function closed ANSWERS
ABOVE = 200  # file descriptors from here on are left alone by code that writes to any it finds
SHOWN = 2000  # characters of an error, and
TRACEBACK = 20_000  # of its traceback
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # of prctl


def main(orders: int, answers: int, leash: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forget a Ctrl-C that came before this process had its own session
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    prctl(SET_CHILD_SUBREAPER, 1)  # processes whose parent ended become children of the guard, whatever their group
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(woken)
    guard_id = os.getpid()
    grader = os.fork()
    if not grader:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for descriptor in (wake, woken, leash):
            os.close(descriptor)
        os.setpgid(0, 0)
        prctl(SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guard_id:
            grade(out_of_the_way(orders), out_of_the_way(answers))
        os._exit(0)
    with contextlib.suppress(OSError):  # the grader does it too: whoever comes first
        os.setpgid(grader, grader)
    os.close(orders)
    os.close(answers)
    end_as(guard(grader, leash, wake))


def prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def out_of_the_way(descriptor: int) -> int:
    """The descriptor under a high number, which no process started by the reward function inherits."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, ABOVE)
    os.close(descriptor)
    return high


def guard(grader: int, leash: int, wake: int) -> int:
    """Wait for the end of the grader or of the leash, kill all that is left, and return the grader's wait status."""
    statuses: dict[int, int] = {}
    poll = select.poll()
    for descriptor in (leash, wake):
        poll.register(descriptor, select.POLLIN)
    while grader not in statuses:
        if leash in dict(poll.poll()):
            break
        os.read(wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                statuses[ended[0]] = ended[1]
    with contextlib.suppress(OSError):
        os.killpg(grader, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            for child in children():
                with contextlib.suppress(OSError):
                    os.kill(child, signal.SIGKILL)
            pid, status = os.waitpid(-1, 0)  # its children are ours now
            statuses.setdefault(pid, status)
    return statuses[grader]


def children() -> Iterator[int]:
    """The processes whose parent is this one; none can be told without /proc."""
    for folder in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else []:
        with contextlib.suppress(OSError):
            parent = (
                (folder / "stat").read_bytes().rpartition(b")")[2].split()[1]
            )  # behind the name, which can hold any
            if int(parent) == os.getpid():
                yield int(folder.name)


def end_as(status: int) -> None:
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # SIGKILL has no other handler
            signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.waitstatus_to_exitcode(status))


def grade(orders: int, answers: int) -> None:
    """Grade responses until the orders end. The first line holds the settings, the others a response each."""
    grader_id = os.getpid()
    with open(orders, encoding="utf-8", closefd=False) as lines:
        settings = json.loads(lines.readline())
        sys.path[:] = settings["path"]
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if settings["memory"] is not None:
            bound_memory(settings["memory"])
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        # Not before: the path comes with the settings.
        from sspo_cli.config.errors import ConfigError
        from sspo_cli.data.problem import Problem
        from sspo_cli.rewards.function import remarks_of, told
        from sspo_cli.rewards.load import load_function

        try:
            function = load_function(cast(Any, SimpleNamespace(**settings["reward"])))
        except BaseException as error:
            problems = error.problems if isinstance(error, ConfigError) else [f"the reward raised {error!r}"]
            write(answers, {"problems": problems, "memory": lacks_memory(error)})
            return
        write(answers, {"ready": True})
        for line in lines:
            order = json.loads(line)
            problem = Problem.from_json(order["problem"])
            found: dict[str, Any]
            write(answers, {"begun": order["number"]})
            try:
                parts = function(problem, order["response"])
                found = {"parts": sendable(parts), "remarks": list(remarks_of(function, problem))}
            except BaseException as error:
                found = {"memory": lacks_memory(error)}
                try:
                    text, trace = told(error)
                except BaseException:  # the error cannot be shown, or there is no memory to show it
                    text, trace = f"the reward raised {type(error).__name__}", ""
                found |= {"error": text[:SHOWN], "traceback": trace[-TRACEBACK:]}
            if os.getpid() != grader_id:
                os._exit(0)  # a copy of this process, which the reward function made by os.fork()
            write(answers, {"number": order["number"], **found})
            if found.get("memory"):
                return  # what filled it may still be there; another worker takes its place


def bound_memory(size: int) -> None:
    """Bound the address space of this process and of those that it starts, in bytes, where the system can."""
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    size = size if most == resource.RLIM_INFINITY else min(size, most)
    with contextlib.suppress(OSError, ValueError) if sys.platform != "linux" else contextlib.nullcontext():
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def write(answers: int, found: Mapping[str, Any]) -> None:
    line = memoryview(json.dumps(found).encode() + b"\n")
    try:
        while line:
            line = line[os.write(answers, line) :]
    except OSError:
        os._exit(CLOSED)


def sendable(parts: Mapping[Any, Any] | None) -> list[tuple[Any, Any]] | None:
    """Names and values; what is no text or no number, as it is shown."""
    from sspo_cli.rewards.function import as_float

    def number(value: Any) -> Any:
        try:
            return as_float(value)
        except (TypeError, ValueError):
            return {"shown": repr(value)[:SHOWN]}

    def text(name: Any) -> Any:
        return name if isinstance(name, str) else {"shown": repr(name)[:SHOWN]}

    return None if parts is None else [(text(name), number(value)) for name, value in parts.items()]


def lacks_memory(error: BaseException | None) -> bool:
    """Whether this error, or one that it came from, says that there was no memory."""
    if error is None:
        return False
    try:
        words = str(error).casefold()
    except BaseException:  # a __str__ of the user's
        words = ""
    said = "cannot allocate memory" in words or "failed to map segment" in words or "can't allocate memory" in words
    return isinstance(error, MemoryError) or said or lacks_memory(error.__cause__)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
