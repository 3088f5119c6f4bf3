"""One cell: the job that Hydra's launcher runs, wherever that is. It starts `sspo train` and stays with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs import format as run_format
from sspo_cli.runs.folder import checkpoints, set_status
from sspo_cli.runs.lock import hold, is_abandoned, signature
from sspo_cli.runs.log import last_line
from sspo_cli.runs.status import DIED, State, read_state
from sspo_cli.study.left import REFUSED
from sspo_cli.study.store import Order, read_grid, read_order

POLL_S = 0.2
PATIENCE_S = 20.0  # how long a child may take to stop at once
DONE, USAGE, INTERRUPTED = 0, 2, 130
ENDED = {DONE: "done", INTERRUPTED: "interrupted"}  # what a run says of itself that ends with this code


def run_cell(task: DictConfig) -> None:
    """Run cell number `task.cell` of the grid in folder `task.grid`, with `task.threads` CPU threads if that is not 0.

    Does so for the command that signed the lock of the grid with `task.owner`, as long as that is at work. Takes one
    of `task.gpus` GPUs for itself, if there are any. Never raises for what goes wrong with the run: the cell's STATUS
    and log.txt tell.
    """
    grid, launcher = Path(task.grid), os.getppid()
    content = read_grid(grid)
    if content is None or order_to(grid, task.owner):
        return
    cell = content["cells"][task.cell]
    folder = grid / cell["folder"]
    run_format.begin(folder, "train")
    with a_gpu(grid, task.gpus) as environment, (folder / "log.txt").open("a", encoding="utf-8") as log:
        child = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "sspo_cli",
                "train",
                "--parent",
                str(os.getpid()),
                *words(folder, cell, task.threads, content.get("prompt_time")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, **environment},
            start_new_session=True,  # a Ctrl-C in the terminal reaches it through us alone, so that it counts once
        )
        code = attend(child, grid, task.owner)
    state = read_state(folder)
    if state.word not in ("failed", ENDED.get(code)):
        close(folder, code, state)
    if os.getppid() != launcher:
        os._exit(INTERRUPTED)  # a worker whose launcher was killed would wait for its next job


def words(folder: Path, cell: dict[str, Any], threads: int, prompt_time: str | None) -> list[str]:
    """The words for `sspo train`: resume if there is a checkpoint, else begin, with the prompt_time of the grid."""
    if checkpoints(folder):
        return ["--resume", str(folder)]
    (folder / "STATUS").unlink(missing_ok=True)  # of an attempt that failed before it began
    shared = {"engine.threads": threads, "prompt_time": prompt_time}
    given = {word.partition("=")[0] for word in cell["overrides"]}
    words = [f"{key}={value}" for key, value in shared.items() if value and key not in given]
    return ["--folder", str(folder), *cell["overrides"], *words]


def order_to(grid: Path, owner: str) -> Order | None:
    """The order to the cells of `grid`; also to stop if the command that signed its lock with `owner` is gone."""
    order = read_order(grid)
    if order is None and (signature(grid) != owner or is_abandoned(grid)):
        return "stop"
    return order


def attend(child: subprocess.Popen[bytes], grid: Path, owner: str) -> int:
    """Wait for `child`, passing on the orders of the grid. Its exit code, -N if signal N ended it."""
    obeyed = None
    while True:
        try:
            return child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            order = order_to(grid, owner)
        if order in (None, obeyed):
            continue
        obeyed = order
        child.terminate()
        if order == "stop at once":
            return end(child)


def end(child: subprocess.Popen[bytes]) -> int:
    child.terminate()  # the second signal ends the step that the first lets finish
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def why_failed(folder: Path) -> str:
    if not (folder / "log.txt").is_file():
        return "not started"
    return last_line(folder / "log.txt").removeprefix("sspo: ")[:500] or "it says nothing"


def close(folder: Path, code: int, state: State) -> None:
    """Say what became of a child that could not say so itself. state: in which it left its run."""
    log = folder / "log.txt"
    if code >= 0:
        silent = code in ENDED or state.word == DIED
        why = f"the process ended without finishing (exit code {code})" if silent else why_failed(folder)
        refused = f"{REFUSED}: " if code == USAGE and checkpoints(folder) else ""
        set_status(folder, f"failed: {refused}{why}")
        return
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"sspo: killed by signal {-code}\n")
    set_status(folder, "interrupted")


@contextmanager
def a_gpu(grid: Path, gpus: int) -> Iterator[dict[str, str]]:
    """The environment in which a child sees one GPU that no other cell of the grid uses; nothing if there are none."""
    every = ",".join(str(number) for number in range(gpus))
    names = (os.environ.get("CUDA_VISIBLE_DEVICES") or every).split(",")[:gpus]
    with ExitStack() as stack:
        for name in names:
            place = grid / "launcher" / f"gpu_{name}"
            place.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(hold(place))
            except ConfigError:  # taken
                continue
            yield {"CUDA_VISIBLE_DEVICES": name}
            return
        yield {}
