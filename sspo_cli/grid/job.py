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
from sspo_cli.grid.folder import read_grid
from sspo_cli.grid.state import REFUSED
from sspo_cli.runs.folder import checkpoints, get_status, set_status
from sspo_cli.runs.lock import hold, is_abandoned, signature
from sspo_cli.runs.log import last_line as last_line_of
from sspo_cli.runs.status import DIED, State, read_state

POLL_S = 0.2
PATIENCE_S = 20.0  # how long a child that was told to stop at once may take
RUNNING, STOP, STOP_AT_ONCE = "running", "stopping", "stopping at once"  # of STATUS
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
    if content is None or asked_to_stop(grid, task.owner):
        return
    cell = content["cells"][task.cell]
    folder = grid / cell["folder"]
    folder.mkdir(parents=True, exist_ok=True)
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
    """What `sspo train` is told: to go on where a checkpoint is, else to begin, at the prompt_time of its grid."""
    if checkpoints(folder):
        return ["--resume", str(folder)]
    (folder / "STATUS").unlink(missing_ok=True)  # of an attempt that failed before it began
    shared = {"engine.threads": threads, "prompt_time": prompt_time}
    given = {word.partition("=")[0] for word in cell["overrides"]}
    words = [f"{key}={value}" for key, value in shared.items() if value and key not in given]
    return ["--folder", str(folder), *cell["overrides"], *words]


def asked_to_stop(grid: Path, owner: str) -> str | None:
    """How the cells of `grid` should stop, if they should: because its STATUS says so, or `owner` is gone."""
    status = get_status(grid)
    if status == RUNNING and signature(grid) == owner and not is_abandoned(grid):
        return None
    return STOP_AT_ONCE if status == STOP_AT_ONCE else STOP


def attend(child: subprocess.Popen[bytes], grid: Path, owner: str) -> int:
    """Wait for `child`, passing on what the grid is told. Its exit code, -N if signal N ended it."""
    told = None
    while True:
        try:
            return child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            asked = asked_to_stop(grid, owner)
        if asked in (None, told):
            continue
        told = asked
        child.terminate()
        if asked == STOP_AT_ONCE:
            return end(child)


def end(child: subprocess.Popen[bytes]) -> int:
    child.terminate()  # the second signal ends the step that the first lets finish
    try:
        return child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def close(folder: Path, code: int, state: State) -> None:
    """Say what became of a child that could not say so itself. state: in which it left its run."""
    log = folder / "log.txt"
    if code >= 0:
        silent = code in ENDED or state.word == DIED
        why = f"the process ended without finishing (exit code {code})" if silent else last_line(log)
        refused = f"{REFUSED}: " if code == USAGE and checkpoints(folder) else ""
        set_status(folder, f"failed: {refused}{why}")
        return
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"sspo: killed by signal {-code}\n")
    set_status(folder, "interrupted")


def last_line(log: Path) -> str:
    """The last line of a log that says anything, cut where it is very long."""
    if not log.exists():
        return "not started"
    return last_line_of(log).removeprefix("sspo: ")[:500] or "it says nothing"


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
