"""A process that makes problems of reasoning-gym: `python -P generator.py`, a request on stdin, JSON lines on stdout.

In a process of its own, with a hash seed of its own, since tasks draw from global random generators, depend on the
order of sets, and print. Whether a problem comes out the same depends on its task, parameters and seed alone.

A request is {"path": folders of modules, "refused": reasons by task, "tasks": [{"task", "params", "streams": [{"name",
"seed", "count", "tries"}]}]}. Of each stream the first `count` different problems among `tries` are made; item i has
the seed `seed` + i. An answer is {"task", "stream", "entry"}; {"task", "stream", "failed": reason} where items could
not be made; {"problems": lines} for what is wrong with the request; {"done": version} at the end.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

TELL_EVERY_S = 10  # how often a person hears of it
ONE_PROBLEM_S = 60  # a problem that takes longer is not going to come
CHUNK = 256  # tasks that plan all their items at once plan so many
OURS = ("seed", "size")  # parameters that are not the user's to set
NAMES: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


class TooSlow(Exception):
    """A problem took longer than ONE_PROBLEM_S."""


class Watch:
    """Tells on stderr how far the work is, and ends what takes too long."""

    def __init__(self) -> None:
        self.begun = self.last = time.monotonic()
        self.task = self.now = ""
        signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, TELL_EVERY_S, TELL_EVERY_S)

    def ring(self, *_: Any) -> None:
        now = time.monotonic()
        print(f"dataset=reasoning_gym: {self.now}, {now - self.begun:.0f} s", file=sys.stderr)
        if now - self.last > ONE_PROBLEM_S:
            raise TooSlow(f"no problem came in {ONE_PROBLEM_S} s")

    def at(self, task: str, made: int, count: int) -> None:
        self.task, self.last = task, time.monotonic()
        self.now = f"{task}: {made} of {count} problems made"


def main() -> None:
    for number in (signal.SIGINT, signal.SIGPIPE):  # ends without a word when the run does
        signal.signal(number, signal.SIG_DFL)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what tasks print
    request = json.load(sys.stdin)
    sys.path[:] = request["path"]

    def write(**answer: Any) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ImportError as error:
        write(problems=[f"dataset=reasoning_gym: its package cannot be imported: {error}"])
        return
    watch = Watch()
    try:
        problems = [
            line for order in request["tasks"] for line in problems_of(order, DATASETS, request["refused"], watch)
        ]
        if problems:
            write(problems=problems)
            return
        for order in request["tasks"]:
            for stream in order["streams"]:
                make(reasoning_gym, order, stream, watch, write)
    except TooSlow as error:
        write(problems=[f"dataset.params.{watch.task}: {error}; choose parameters that leave more room"])
        return
    write(done=reasoning_gym.__version__)


def problems_of(order: dict[str, Any], known: Any, refused: dict[str, str], watch: Watch) -> list[str]:
    """What is wrong with a task and its parameters, in lines."""
    task, params = order["task"], order["params"]
    watch.at(task, 0, 0)
    if task in refused:
        return [f"dataset.tasks: {task}: {refused[task]}"]
    if task not in known:
        return [f"dataset.tasks: unknown task '{task}'{hint(task, [name for name in known if name not in refused])}"]
    section = known[task][1]
    kinds = {item.name: item.type for item in fields(section) if item.name not in OURS}
    where = f"dataset.params.{task}"
    found = [f"{where}.{name}: is set by seed and dataset.size" for name in params if name in OURS]
    found += [f"{where}.{name}: unknown{hint(name, kinds)}" for name in params if name not in (*kinds, *OURS)]
    found += [
        f"{where}.{name}={value}: must be {NAMES[kinds[name]]}"
        for name, value in params.items()
        if kinds.get(name) in NAMES and not fits(value, kinds[name])
    ]
    if found:
        return found
    try:
        known[task][0](section(**params, seed=0, size=CHUNK))
    except TooSlow:
        raise
    except Exception as error:  # whatever a task says of its parameters
        shown = ", ".join(f"{name}={value}" for name, value in params.items()) or "as they are"
        return [f"{where}: refused by the task ({shown}): {one_line(error)}"]
    return []


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of a kind, as people write it: 2 is a number, true is none."""
    if kind is float:
        return type(value) in (int, float)
    return type(value) is kind


def hint(word: str, known: Iterable[str]) -> str:
    """What was probably meant, or all that there is."""
    close = difflib.get_close_matches(word, list(known))
    return f", did you mean '{close[0]}'?" if close else f" (there are: {', '.join(sorted(known))})"


def make(library: Any, order: dict[str, Any], stream: dict[str, Any], watch: Watch, write: Any) -> None:
    """Write the problems of one stream of a task."""
    task, count, tries = order["task"], stream["count"], stream["tries"]
    seen: set[str] = set()
    failed: str | None = None
    for first in range(0, tries, CHUNK):
        size = min(CHUNK, tries - first)
        items = library.create_dataset(task, **order["params"], seed=stream["seed"] + first, size=size)
        for place in range(size):
            if len(seen) == count:
                return
            watch.at(task, len(seen), count)
            seed_all(stream["seed"] + first + place)
            try:
                entry = items[place]
                question = str(entry["question"])
                if question in seen:
                    continue
                write(task=task, stream=stream["name"], entry=plain(entry))
            except TooSlow:
                raise
            except Exception as error:  # some tasks give up on some seeds
                failed = one_line(error)
                continue
            seen.add(question)
    if failed:
        write(task=task, stream=stream["name"], failed=failed)


def seed_all(seed: int) -> None:
    """The global generators, from which some tasks draw."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)


def plain(entry: dict[str, Any]) -> Any:
    """An entry as JSON, with numbers of other libraries as numbers."""

    def other(value: Any) -> Any:
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, set | frozenset):
            return sorted(value)
        return str(value)

    return json.loads(json.dumps(entry, default=other))


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


if __name__ == "__main__":
    main()
