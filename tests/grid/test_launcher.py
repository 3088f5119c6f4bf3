"""How cells share a machine."""

from __future__ import annotations

import pytest

from sspo_cli.grid import launcher
from sspo_cli.grid.launcher import Launch, read_hydra, share


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
