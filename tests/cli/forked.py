"""Runs the real command in a process that is forked from one with all modules loaded.

`python -m tests.cli.forked` reads requests from a socket on descriptor 0. Each comes with the descriptors of stdout and
stderr; the answers are the process's id, then its exit status. Nothing of sspo_cli is called before the fork, and the
child ends as `python -m sspo_cli` does, so that a test sees the same process but for the seconds: see `leave`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

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


class Server:
    """Runs commands one at a time; started with the first."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()

    def start(self, environment: Mapping[str, str]) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.cli.forked"]
            here = Path(__file__).parents[2]
            self.process = subprocess.Popen(command, cwd=here, env=dict(environment), stdin=theirs.fileno())

    def run(
        self, words: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` of `python -m sspo_cli *words`."""
        with self.lock, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            if self.process is None or self.process.poll() is not None:
                self.start(environment)
            request = {"words": list(words), "cwd": str(cwd), "environment": dict(environment)}
            socket.send_fds(self.ours, [json.dumps(request).encode()], [out.fileno(), err.fileno()])
            pid = int(self.ours.recv(MESSAGE))
            self.ours.settimeout(timeout)
            try:
                status = int(self.ours.recv(MESSAGE))
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(list(words), timeout) from None
            finally:
                self.ours.settimeout(None)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode().replace("\r\n", "\n"))
        return subprocess.CompletedProcess(list(words), os.waitstatus_to_exitcode(status), *texts)


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
    with socket.socket(fileno=os.dup(0)) as ours:
        while True:
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
            ours.send(str(child).encode())
            ours.send(str(os.waitpid(child, 0)[1]).encode())


def become(request: dict[str, object]) -> None:
    """`python -m sspo_cli` with the words, the folder and the environment of `request`."""
    words, cwd, environment = request["words"], request["cwd"], request["environment"]
    assert isinstance(words, list) and isinstance(cwd, str) and isinstance(environment, dict)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
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
