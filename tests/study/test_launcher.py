"""How cells share a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sspo_cli.study import launcher
from sspo_cli.study.launcher import Launch, read_hydra, share


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "cores", lambda: 8)


def how(words: list[str], cells: int, gpus: int = 0) -> Launch:
    return share(read_hydra("compare", words)[0], cells, gpus)


@pytest.mark.parametrize(
    ("words", "cells", "gpus", "name", "at_once", "threads"),
    [
        ([], 15, 0, "joblib", 8, 1),
        ([], 3, 0, "joblib", 3, 2),
        ([], 1, 0, None, 1, 0),
        ([], 15, 1, None, 1, 0),
        ([], 15, 4, "joblib", 4, 2),
        (["hydra/launcher=basic"], 15, 0, "basic", 1, 0),
        (["hydra/launcher=joblib"], 15, 0, "joblib", 8, 1),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], 15, 0, "joblib", 2, 4),
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=20"], 30, 0, "joblib", 20, 1),
        (["hydra/launcher=submitit_local"], 4, 0, "submitit_local", 4, 2),
        (["hydra/launcher=submitit_slurm", "hydra.launcher.cpus_per_task=6"], 4, 0, "submitit_slurm", 0, 6),
        (["hydra/launcher=submitit_slurm"], 4, 0, "submitit_slurm", 0, 0),
    ],
)  # fmt: skip
def test_cells_take_a_gpu_or_a_core_each_and_divide_the_threads(
    words: list[str], cells: int, gpus: int, name: str | None, at_once: int, threads: int
) -> None:
    launch = how(words, cells, gpus)
    chosen = [word.partition("=")[2] for word in launch.words if word.startswith("hydra/launcher=")]
    assert (launch.at_once, launch.threads, chosen) == (at_once, threads, [name] if name else [])
    jobs = [word.partition("=")[2] for word in launch.words if word.startswith("hydra.launcher.n_jobs=")]
    assert jobs == ([str(at_once)] if name == "joblib" else [])


def test_other_settings_of_a_launcher_are_passed_on() -> None:
    words = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.launcher.verbose=3"]
    assert "hydra.launcher.verbose=3" in how(words, 4).words


def test_the_process_of_the_launcher_reads_no_more_of_the_environment_than_the_command(tmp_path: Path) -> None:
    words = ["+cell=0", "+grid=x", "+owner=y", "+threads=0", "+gpus=0", "hydra.output_subdir=null"]
    words += ["hydra/launcher=joblib", "hydra.launcher.pre_dispatch=${oc.env:MY_TOKEN}"]
    done = subprocess.run(
        [sys.executable, "-m", "sspo_cli.study.launch", "--multirun", *words],
        cwd=tmp_path, env={**os.environ, "MY_TOKEN": "hunter2-secret"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 1 and "environment variable MY_TOKEN cannot be read" in done.stderr.splitlines()[-1]
    assert "hunter2-secret" not in done.stderr
