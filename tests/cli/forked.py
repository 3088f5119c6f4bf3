"""Runs the real command in a process that is forked from one with all modules loaded.

`python -m tests.cli.forked` reads requests from a socket on descriptor 0. Each comes with the descriptors of stdout and
stderr. The answers are [process id, null], and [process id, exit status] once it has ended. Nothing of sspo_cli is
called before the fork, and the child ends as `python -m sspo_cli` does, so that a test sees the same process but for
the seconds: see `leave`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

import sspo_cli

LIBRARIES = (
    "torch",
    "numpy",
    "hydra",
    "hydra._internal.hydra",
    "omegaconf",
    "pydantic",
    "rich.console",
    "rich.table",
    "rich.progress",
    "scipy.special",
    "typer",
    "tokenizers",
    "transformers.models.llama.modeling_llama",
    "transformers.models.auto.modeling_auto",
    "transformers.generation.utils",
    "transformers.tokenization_utils_tokenizers",
    "torch.profiler",
    "torch._dynamo",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "matplotlib.backends.backend_agg",
    "matplotlib.projections",
    "PIL.PngImagePlugin",
    "antlr4.LL1Analyzer",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher",
    "math_verify",
    "peft",
    "pydantic.dataclasses",
    "pydantic.type_adapter",
    "rich._emoji_codes",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.encoder_decoder.configuration_encoder_decoder",
    "typer._click.decorators",
)
MESSAGE = 2**20
LOOK_S = 0.005


class Server:
    """Runs commands; started with the first."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.RLock()
        self.ended: dict[int, int] = {}

    def start(self, environment: Mapping[str, str]) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.cli.forked"]
            here = Path(__file__).parents[2]
            self.process = subprocess.Popen(command, cwd=here, env=dict(environment), stdin=theirs.fileno())

    def begin(self, words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> Command:
        """As `subprocess.Popen` of `python -m sspo_cli *words`."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start(environment)
            out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
            request = {"words": list(words), "cwd": str(cwd), "environment": dict(environment)}
            socket.send_fds(self.ours, [json.dumps(request).encode()], [out.fileno(), err.fileno()])
            while (pid := self.receive(None)) is None:
                pass
            return Command(self, pid, list(words), out, err)

    def receive(self, timeout: float | None) -> int | None:
        """One message: the id of the process that has begun, or None after a note of how one ended."""
        self.ours.settimeout(timeout)
        pid, status = json.loads(self.ours.recv(MESSAGE))
        if status is None:
            return int(pid)
        self.ended[pid] = status
        return None


@dataclass(frozen=True)
class Command:
    """A command at work."""

    server: Server
    pid: int
    words: list[str]
    out: IO[bytes]
    err: IO[bytes]

    def has_ended(self) -> bool:
        with self.server.lock, contextlib.suppress(BlockingIOError):
            while self.pid not in self.server.ended:
                self.server.receive(0)
        return self.pid in self.server.ended

    def wait(self, timeout: float) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` of it."""
        with self.server.lock:
            try:
                while self.pid not in self.server.ended:
                    self.server.receive(timeout)
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(self.words, timeout) from None
            status = self.server.ended.pop(self.pid)
        texts = []
        for file in (self.out, self.err):
            with file:
                file.seek(0)
                texts.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(self.words, os.waitstatus_to_exitcode(status), *texts)


def own_modules() -> Iterator[str]:
    """Every module of the command but the one that runs it."""
    for module in pkgutil.walk_packages(sspo_cli.__path__, "sspo_cli."):
        if module.name != "sspo_cli.__main__":
            yield module.name


def serve() -> dict[str, object] | None:
    """Answer requests until the socket closes: then None. In the child: the request."""
    for name in (*LIBRARIES, *own_modules()):
        importlib.import_module(name)
    gc.freeze()  # or the child's search for cycles writes to every page that it shares with this process
    children = 0
    with socket.socket(fileno=os.dup(0)) as ours:
        while True:
            while children and (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                children -= 1
                ours.send(json.dumps(ended).encode())
            if not select.select([ours], [], [], LOOK_S if children else None)[0]:
                continue
            message, descriptors, _, _ = socket.recv_fds(ours, MESSAGE, 2)
            if not message:
                return None
            child = os.fork()
            if child == 0:
                for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *descriptors)):
                    os.dup2(descriptor, number)
                    os.close(descriptor)
                request: dict[str, object] = json.loads(message)
                return request
            for descriptor in descriptors:
                os.close(descriptor)
            children += 1
            ours.send(json.dumps((child, None)).encode())


def become(request: dict[str, object]) -> None:
    """`python -m sspo_cli` with the words, the folder and the environment of `request`."""
    words, cwd, environment = request["words"], request["cwd"], request["environment"]
    assert isinstance(words, list) and isinstance(cwd, str) and isinstance(environment, dict)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    if encoding := environment.get("PYTHONIOENCODING"):
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)
            stream.reconfigure(encoding=encoding)
    sys.argv = ["sspo", *words]
    sys.path[0] = cwd
    for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
        del sys.modules[name]
    try:
        runpy.run_module("sspo_cli", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        leave(ended.code or 0)
    leave(0)


def leave(code: int) -> NoReturn:
    """End as an interpreter does, but for freeing every object: that would write to every page of the parent's.

    Threads are waited for, and what was registered to run at the end runs.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__" and (asked := serve()) is not None:
    become(asked)
