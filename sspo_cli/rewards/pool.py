"""Rewards in worker processes, which can be killed: a response is graded in bounded time and memory, or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import RewardConfig
from sspo_cli.data.problem import Problem
from sspo_cli.rewards.base import Item, Judge, Judged, Judges, RewardError
from sspo_cli.rewards.function import told
from sspo_cli.rewards.sources import user_files
from sspo_cli.rewards.worker import CLOSED
from sspo_cli.types import Score

WORKER = Path(__file__).with_name("worker.py")
START_S = 60.0  # seconds for a user's file to be imported
END_S = 5.0  # seconds for a killed worker to be gone
SIGNALS_S = 0.2  # seconds that Ctrl-C can go unheard


class WorkerFailed(Exception):
    """A worker gave no answer. The message says what became of it, behind the name of the reward function."""


class NotBegun(WorkerFailed):
    """It did not even begin: what ended the worker was not this response."""


@dataclass(frozen=True)
class Limits:
    """For one worker. timeout_s: for one response. memory_gib: address space. start_s: until it is ready."""

    timeout_s: float | None
    memory_gib: float | None
    start_s: float = START_S


class Worker:
    """One worker process, spoken to by one thread; any thread may kill it."""

    def __init__(self, config: RewardConfig, limits: Limits) -> None:
        """Start the process; `begin` waits until it is ready."""
        self.limits = limits
        self.alive = True
        self.received = b""
        self.number = 0
        self.lock = threading.Lock()
        orders, self.orders = os.pipe()
        self.answers, answers = os.pipe()
        leash, self.leash = os.pipe()
        passed = (orders, answers, leash)
        # A Ctrl-C that comes before the process has its session waits, and the process forgets it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            # A session of its own: Ctrl-C in the terminal reaches the run, which ends its workers when it is ready.
            # -P: neither this folder nor the current one is searched for modules.
            self.process = subprocess.Popen(
                [sys.executable, "-P", str(WORKER), *map(str, passed)],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=passed,
                start_new_session=True,
            )
        except BaseException:
            for descriptor in (self.orders, self.answers, self.leash):
                os.close(descriptor)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for descriptor in passed:
                os.close(descriptor)
        self.pipes: tuple[int, ...] = (self.orders, self.answers)
        for descriptor in self.pipes:
            os.set_blocking(descriptor, False)
        memory = None if limits.memory_gib is None else int(limits.memory_gib * 2**30)
        self.first = {"path": sys.path, "memory": memory, "reward": asdict(config)}

    def begin(self) -> None:
        """Wait until the reward function is imported.

        Raises:
            ConfigError: if it cannot be.
            WorkerFailed: if it takes too long or ends the process.
        """
        deadline = deadline_of(self.limits.start_s)
        with self.failing(f"took longer than {self.limits.start_s:g} s"):
            self.send(self.first, deadline)
            found = self.receive(deadline)
        if "problems" in found:
            raise ConfigError([f"{line}{self.hint(found)}" for line in found["problems"]])

    def grade(self, problem: Problem, response: str) -> Mapping[str, Any]:
        """What the worker found, or how its reward function failed.

        Raises:
            WorkerFailed: if no answer came in time; the process is gone then.
        """
        self.number += 1
        limit = self.limits.timeout_s
        deadline = deadline_of(limit)
        begun = False
        try:
            with self.failing(f"took longer than reward.timeout_s={limit or 0:g}"):
                self.send({"number": self.number, "problem": asdict(problem), "response": response}, deadline)
                begun = self.receive(deadline).get("begun") == self.number
                found = self.receive(deadline)
                if found.get("number") != self.number:
                    raise ValueError
        except WorkerFailed as failed:
            raise failed if begun else NotBegun(str(failed)) from None
        if found.get("memory"):
            self.end()  # what filled its memory may still be there
        return {**found, "error": found["error"] + self.hint(found)} if "error" in found else found

    def hint(self, found: Mapping[str, Any]) -> str:
        bounded = found.get("memory") and self.limits.memory_gib is not None
        return f" (reward.memory_gib={self.limits.memory_gib:g})" if bounded else ""

    @contextlib.contextmanager
    def failing(self, late: str) -> Iterator[None]:
        """End the process if talking to it fails inside the block."""
        try:
            yield
        except TimeoutError:
            raise WorkerFailed(self.gone(late)) from None
        except (EOFError, BrokenPipeError):
            raise WorkerFailed(self.gone("closed the pipe of its worker")) from None
        except ValueError:
            raise WorkerFailed(self.gone("wrote into the pipe of its worker")) from None

    def send(self, order: Mapping[str, Any], deadline: float | None) -> None:
        rest = memoryview(json.dumps(order).encode() + b"\n")
        while rest:
            wait_for(self.orders, select.POLLOUT, deadline)
            with contextlib.suppress(BlockingIOError):
                rest = rest[os.write(self.orders, rest) :]

    def receive(self, deadline: float | None) -> dict[str, Any]:
        while b"\n" not in self.received:
            wait_for(self.answers, select.POLLIN, deadline)
            new = os.read(self.answers, 1 << 16)
            if not new:
                raise EOFError
            self.received += new
        line, _, self.received = self.received.partition(b"\n")
        found = json.loads(line)
        if not isinstance(found, dict):
            raise ValueError
        return found

    def gone(self, why: str) -> str:
        """End the process; `why` it had to be, or what it did by itself before."""
        if "pipe" in why:  # a process that ends closes its pipe first
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=1)
                if code < 0:
                    why = f"ended: its process was killed by {signal.Signals(-code).name}"
                elif code != CLOSED:
                    why = f"ended its process with exit code {code}"
        self.end()
        return why

    def kill(self) -> None:
        """Let go of the process: it and all that it started are killed."""
        with self.lock:
            if self.alive:
                os.close(self.leash)
            self.alive = False

    def end(self) -> None:
        """Kill the process and wait until it is gone. For the thread that speaks to it."""
        self.kill()
        try:
            self.process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in self.pipes:
            os.close(descriptor)
        self.pipes = ()


def deadline_of(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


def wait_for(descriptor: int, event: int, deadline: float | None) -> None:
    """Until `descriptor` can be written to or read from, or is closed at the other end.

    Raises:
        TimeoutError: if that is not before the deadline.
    """
    poll = select.poll()
    poll.register(descriptor, event)
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if not poll.poll(None if left is None else left * 1000):
        raise TimeoutError


@dataclass(frozen=True)
class Failure:
    """A grader failed. broken: so did its worker's replacement, and nothing can be graded any more."""

    text: str
    traceback: str = ""
    broken: bool = False


@dataclass
class Batch:
    """The responses of one call of `score`. dropped: nobody waits for the results any more."""

    results: SimpleQueue[tuple[Item, Mapping[str, Any] | Failure]] = field(default_factory=SimpleQueue)
    dropped: bool = False

    def next(self) -> tuple[Item, Mapping[str, Any] | Failure]:
        while True:
            # A signal that comes right before the wait is not handled during it: never wait for long.
            with contextlib.suppress(Empty):
                return self.results.get(timeout=SIGNALS_S)


@dataclass(frozen=True)
class Job:
    """again: a worker ended before it began with it."""

    batch: Batch
    item: Item
    again: bool = False


class PoolRewarder(Judged):
    """Grades responses in worker processes, while the caller goes on to produce the next ones.

    A thread for each worker starts it, gives it one response after the other, kills it when it is late, and replaces it
    when it is gone.
    """

    def __init__(self, config: RewardConfig, judge: Judge | Judges, *, workers: int, limits: Limits, name: str) -> None:
        """Start the workers and wait for the first. name: of the reward function, for errors.

        Raises:
            ConfigError: if the reward function cannot be imported.
        """
        super().__init__(judge)
        self.config = config
        self.limits = limits
        self.name = name
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.lock = threading.Lock()
        self.busy: dict[Worker, Batch | None] = {}  # every worker that is alive, and what it works for
        self.closed = False
        self.files = self.content()
        self.threads: list[threading.Thread] = []
        try:
            first = self.start()
        except WorkerFailed as failed:
            raise ConfigError([f"{name} {failed}"]) from None
        self.threads = [
            threading.Thread(target=self.serve, args=(first if number == 0 else None,), daemon=True)
            for number in range(workers)
        ]
        try:
            for thread in self.threads:
                thread.start()
        except BaseException:
            self.threads = [thread for thread in self.threads if thread.is_alive()]
            self.close()
            raise

    def score(self, items: Iterator[Item]) -> Iterator[Score]:
        if self.closed:
            raise RuntimeError("the workers of this reward have been ended")
        batch = Batch()
        waiting = 0
        try:
            for item in items:
                self.jobs.put(Job(batch, item))
                waiting += 1
                while not batch.results.empty():
                    waiting -= 1
                    yield self.judged(*batch.next())
            while waiting:
                waiting -= 1
                yield self.judged(*batch.next())
            self.judge.finish()
        finally:
            self.drop(batch)

    def judged(self, item: Item, found: Mapping[str, Any] | Failure) -> Score:
        if isinstance(found, Failure):
            if found.broken:
                raise RewardError(*item, found.text, found.traceback)
            return self.judge.failed(item, found.text, found.traceback)
        parts = None if found["parts"] is None else {shown(name): shown(value) for name, value in found["parts"]}
        return self.judge.graded(item, parts, found["remarks"])

    def drop(self, batch: Batch) -> None:
        """Leave what is left of a batch, with the workers that are still at it."""
        with self.lock:
            batch.dropped = True
            for worker, current in self.busy.items():
                if current is batch:
                    worker.kill()

    def close(self) -> None:
        with self.lock:
            self.closed = True
            for worker in self.busy:
                worker.kill()
        for _ in self.threads:
            self.jobs.put(None)
        for thread in self.threads:
            thread.join()
        self.threads = []

    def serve(self, worker: Worker | None) -> None:
        """The life of one thread: a worker, and its successors."""
        while not self.closed:
            failure = None
            if worker is None:
                worker, failure = self.replacement()
            job = self.jobs.get()
            if job is None:
                break
            if failure is not None:
                job.batch.results.put((job.item, failure))
            elif worker is not None and self.engage(worker, job.batch):
                self.work(worker, job)
                self.engage(worker, None)
                if not worker.alive:
                    self.forget(worker)
                    worker = None
        if worker is not None:
            self.forget(worker)

    def replacement(self) -> tuple[Worker | None, Failure | None]:
        try:
            return self.start(), None
        except (ConfigError, WorkerFailed, OSError) as error:
            return None, Failure(f"a worker cannot be replaced: {self.name} {error}", broken=True)

    def start(self) -> Worker:
        """A worker that is ready.

        Raises:
            ConfigError: if the reward function cannot be imported.
            WorkerFailed: if importing it takes too long or ends the process, or if its files are no longer the same.
        """
        now = self.content()
        if changed := sorted({path.name for path in {*now, *self.files} if now.get(path) != self.files.get(path)}):
            raise WorkerFailed(f"is not what it was when the run began: {', '.join(changed)} changed")
        worker = Worker(self.config, self.limits)
        with self.lock:
            self.busy[worker] = None
            if self.closed:
                worker.kill()
        try:
            worker.begin()
        except WorkerFailed as failed:
            self.forget(worker)
            raise WorkerFailed(f"{failed} while it was imported") from None
        except BaseException:
            self.forget(worker)
            raise
        return worker

    def engage(self, worker: Worker, batch: Batch | None) -> bool:
        """Say what a worker works for; False if nobody waits for it."""
        with self.lock:
            self.busy[worker] = batch
            return batch is not None and not batch.dropped

    def forget(self, worker: Worker) -> None:
        with self.lock:
            del self.busy[worker]
        worker.end()

    def work(self, worker: Worker, job: Job) -> None:
        """Have one response graded; another worker grades it where this one ended without a part in it."""
        _, problem, response = job.item
        result: Mapping[str, Any] | Failure
        try:
            result = worker.grade(problem, response)
            if "error" in result:
                result = Failure(result["error"], result["traceback"])
        except WorkerFailed as failed:
            if isinstance(failed, NotBegun) and not job.again:
                self.jobs.put(Job(job.batch, job.item, again=True))
                return
            result = Failure(f"{self.name} {failed}")
        except Exception as error:  # whoever waits for the result has to hear of it
            result = Failure(*told(error), broken=True)
        job.batch.results.put((job.item, result))

    def content(self) -> dict[Path, bytes]:
        """The files that the reward function is imported from, which a worker that is replaced imports again."""
        return {file: file.read_bytes() for files in user_files(self.config).values() for file in files}


class Shown:
    """What a reward function returned in the place of a text or a number, as it was shown in the worker."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def shown(value: Any) -> Any:
    return Shown(value["shown"]) if isinstance(value, dict) else value
