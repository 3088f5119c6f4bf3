"""The process of a vLLM engine, as the run sees it: orders and answers in JSON lines, and what became of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sspo_cli.guards import SamplerLost

WORKER = Path(__file__).with_name("vllm_worker.py")
SIGNALS_S = 0.2  # seconds that Ctrl-C can go unheard
SHOWN = 300  # characters of an error
END_S = 5.0  # seconds for the process to end by itself
# Nothing is sent out or looked up; the port that PyTorch opens for groups of processes is on the loopback alone.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in the worker process itself
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}
# What torchrun tells this process about the ranks of the run; and a size of the cache that goes before ours.
NOT_ITS_OWN = ("MASTER_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_", "TORCHELASTIC_", "VLLM_CPU_KVCACHE_SPACE")


class VllmProcess:
    """folder: a private place for weights, which goes with the process."""

    def __init__(self, python: str, environment: Mapping[str, str]) -> None:
        """Start the process. environment: of it, beside that of the run and ENVIRONMENT.

        Raises:
            SamplerLost: if it cannot be started.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="sspo-vllm-"))
        (self.folder / "tmp").mkdir()
        self.received = b""
        orders, self.orders = os.pipe()
        self.answers, answers = os.pipe()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_ITS_OWN)}
        try:
            with (self.folder / "log").open("wb") as log:
                # A session of its own: Ctrl-C in the terminal reaches the run alone. -I: nothing of this environment.
                self.process = subprocess.Popen(
                    [python, "-I", str(WORKER), str(orders), str(answers), str(self.folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(orders, answers),
                    env={**kept, **ENVIRONMENT, **environment, "TMPDIR": str(self.folder / "tmp")},
                    start_new_session=True,
                )
        except BaseException as error:
            for descriptor in (self.orders, self.answers):
                os.close(descriptor)
            shutil.rmtree(self.folder)
            if isinstance(error, OSError):
                raise SamplerLost(f"vLLM: {python} cannot be started: {error.strerror}") from error
            raise
        finally:
            for descriptor in (orders, answers):
                os.close(descriptor)

    def send(self, order: Mapping[str, Any]) -> None:
        """The process reads orders as they come, so that this never waits for long.

        Raises:
            SamplerLost: if the process has ended.
        """
        rest = memoryview(json.dumps(order).encode() + b"\n")
        try:
            while rest:
                rest = rest[os.write(self.orders, rest) :]
        except OSError:
            raise SamplerLost(f"vLLM {self.end()}") from None

    def receive(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            SamplerLost: if the process has ended, or its engine failed.
        """
        while b"\n" not in self.received:
            # A signal that comes right before the wait is not handled during it: never wait for long.
            if not select.select([self.answers], [], [], SIGNALS_S)[0]:
                continue
            new = os.read(self.answers, 1 << 20)
            if not new:
                raise SamplerLost(f"vLLM {self.end()}")
            self.received += new
        line, _, self.received = self.received.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        if "failed" in found:
            self.end()
            raise SamplerLost(f"vLLM failed: {' '.join(str(found['failed']).split())[:SHOWN]}")
        return found

    def end(self) -> str:
        """End the process, and say how it ended, if it did so by itself before."""
        said = self.last_line()
        try:
            code = self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = None
        self.close()
        if code is None:
            return "closed the pipe to its process"
        if code < 0:
            return f"ended: its process was killed by {signal.Signals(-code).name}"
        return f"ended its process with exit code {code}{f': {said}' if said else ''}"

    def last_line(self) -> str:
        """Of what the process wrote for people."""
        with contextlib.suppress(OSError):
            lines = (self.folder / "log").read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def close(self) -> None:
        """Let the process end, and wait until it is gone; what it wrote goes with it."""
        for descriptor in (self.orders, self.answers):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self.orders = self.answers = -1
        try:
            self.process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
