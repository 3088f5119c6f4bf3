"""The launcher's process: Hydra's multirun over the numbers of cells, whose launcher starts one job for each.

`python -m sspo_cli.study.launch --multirun ...` is a process, and a session, of its own: a Ctrl-C in the terminal would
otherwise end the launcher's workers before the runs that they attend are saved.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import hydra

from sspo_cli.config.interpolation import listed_variables_only
from sspo_cli.config.words import quoted
from sspo_cli.runs.lock import signature
from sspo_cli.study.job import run_cell  # imported, so that workers find it by its name
from sspo_cli.study.launcher import Launch, search_path


def start(folder: Path, cells: Sequence[int], how: Launch) -> subprocess.Popen[bytes]:
    """Begin to run these cells of the grid in `folder`. What becomes of each is in its own folder."""
    place = folder / "launcher"
    place.mkdir(exist_ok=True)
    words = [
        "--multirun",
        f"+cell={','.join(str(number) for number in cells)}",
        f"+grid={quoted(str(folder.absolute()))}",
        f"+owner={quoted(signature(folder))}",
        f"+threads={how.threads}",
        f"+gpus={how.gpus}",
        f"hydra.sweep.dir={quoted(str(place.absolute()))}",
        "hydra.sweep.subdir=.",
        "hydra.output_subdir=null",
        "hydra/job_logging=none",
        "hydra/hydra_logging=none",
        *search_path(),
        *how.words,
    ]
    with log_of(folder).open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "sspo_cli.study.launch", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def log_of(folder: Path) -> Path:
    """What the launcher of the grid in `folder` says; nothing, if all goes well."""
    return folder / "launcher" / "log.txt"


if __name__ == "__main__":
    with listed_variables_only():
        hydra.main(version_base="1.3", config_path=None)(run_cell)()
