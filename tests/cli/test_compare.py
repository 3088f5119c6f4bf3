"""`sspo compare` as a user runs it: real cells in real processes, interrupted, killed, broken, and run again."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import get_status
from tests.cli.conftest import Sspo, environment, run_sspo
from tests.study.tiny import TINY

pytestmark = pytest.mark.slow


COMPARE = ["compare", "objective=grpo,sspo", "seed=0,1", *TINY]
TOGETHER = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
CELLS = [f"cells/{objective}/seed_{seed}" for objective in ("grpo", "sspo") for seed in (0, 1)]
LIMIT_S = 300


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_sspo(words, home)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a compare that nothing disturbed."""
    home = tmp_path_factory.mktemp("compare")
    done = run(home, *COMPARE, *TOGETHER)
    assert done.returncode == 0, done.stderr
    return home


def grid(home: Path, name: str = "grpo-sspo-addition") -> Path:
    return home / "outputs" / "compare" / name


def times(folder: Path) -> dict[str, int]:
    """When every file of a cell was last written to."""
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*")}


def processes_of(folder: Path) -> list[str]:
    """Command lines of every process that has to do with `folder`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows(cell: Path) -> int:
    return len(jsonl.read(cell / "metrics.jsonl"))


def test_every_cell_is_a_complete_run_and_the_grid_says_what_it_is(home: Path) -> None:
    folder = grid(home)
    assert get_status(folder) == "done"
    for cell in CELLS:
        names = {path.name for path in (folder / cell).iterdir()}
        assert {"config.yaml", "command.sh", "manifest.json", "metrics.jsonl", "eval.jsonl", "log.txt"} <= names
        assert get_status(folder / cell) == "done" and rows(folder / cell) == 4
    content = json.loads((folder / "grid.json").read_text())
    assert content["kind"] == "compare" and content["axes"] == {"objective": ["grpo", "sspo"], "seed": [0, 1]}
    assert (content["metric"], content["direction"], content["baseline"]) == ("eval/accuracy", "max", "grpo")
    assert [cell["folder"] for cell in content["cells"]] == CELLS
    assert content["cells"][3]["point"] == {"objective": "sspo"} and content["cells"][3]["seed"] == 1
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["choices"]["objective"] == "grpo" and config["compare"]["metric"] == "eval/accuracy"
    assert (folder / "command.sh").read_text().split("\n")[1].startswith("sspo compare objective=grpo,sspo seed=0,1 ")


@pytest.mark.long
def test_jobs_of_submitit_give_the_results_of_a_grid_on_this_machine(home: Path) -> None:
    """So does a job that is ended on the way, as a cluster does it, and is started again by the next command."""
    words = [*COMPARE, "hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1", "name=jobs"]
    first = subprocess.Popen(
        [sys.executable, "-m", "sspo_cli", *words], cwd=home, env=environment(), stdout=subprocess.DEVNULL
    )
    cell = grid(home, "jobs") / CELLS[0]
    wait_until(lambda: (cell / "metrics.jsonl").exists() or first.poll() is not None)
    first.send_signal(signal.SIGTERM)
    assert first.wait(LIMIT_S) == 130 and not processes_of(grid(home, "jobs"))
    done = run(home, *words)
    assert done.returncode == 0, done.stderr
    for name in ("samples.jsonl", "eval.jsonl"):
        for cell_name in CELLS:
            assert (grid(home, "jobs") / cell_name / name).read_text() == (grid(home) / cell_name / name).read_text()
    assert measured(grid(home, "jobs")) == measured(grid(home))


def measured(folder: Path) -> list[dict[str, str]]:
    """The rows of results.csv without times and memory."""
    with (folder / "results.csv").open() as lines:
        return [
            {name: value for name, value in row.items() if name not in ("minutes", "peak_gib") and "per_s" not in name}
            for row in csv.DictReader(lines)
        ]


def test_under_one_seed_every_objective_meets_the_same(home: Path) -> None:
    hashes = [json.loads((grid(home) / cell / "manifest.json").read_text())["hashes"] for cell in CELLS]
    assert hashes[0] == hashes[2] and hashes[1] == hashes[3]
    assert hashes[0]["data_order"] != hashes[1]["data_order"]
    assert hashes[0]["rollout_draws"] != hashes[1]["rollout_draws"]
    assert hashes[0]["initial_weights"] != hashes[1]["initial_weights"], "model=scratch draws them from the seed"
    asked = [[row["prompt"] for row in jsonl.read(grid(home) / cell / "samples.jsonl")] for cell in CELLS]
    assert asked[0] == asked[2] != asked[1]
    first = [jsonl.read(grid(home) / cell / "eval.jsonl")[0]["response"] for cell in CELLS]
    assert first[0] == first[2], "the first evaluation draws the same tokens from the same weights"


def test_the_same_command_again_touches_nothing(home: Path) -> None:
    before = {cell: times(grid(home) / cell) for cell in CELLS}
    summary = (grid(home) / "summary.json").read_bytes()
    done = run(home, *COMPARE, "--json")
    assert done.returncode == 0 and done.stderr == ""
    assert json.loads(done.stdout)["folder"] == "outputs/compare/grpo-sspo-addition"
    assert {cell: times(grid(home) / cell) for cell in CELLS} == before
    assert (grid(home) / "summary.json").read_bytes() == summary
    assert [path.name for path in grid(home).parent.iterdir()] == ["grpo-sspo-addition"]


def test_changed_settings_under_its_name_are_refused_with_the_keys(home: Path) -> None:
    before = times(grid(home))
    done = run(home, *COMPARE, "train.steps=4", "optim.lr=1e-3", "--name", "grpo-sspo-addition")
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 2 and done.stdout == ""
    assert lines[0].startswith("sspo: optim.lr: 1e-05 in ") and "0.001 now" in lines[0]
    assert lines[1].startswith("sspo: train.steps: 3 in ") and "4 now" in lines[1]
    assert times(grid(home)) == before


@pytest.mark.long
def test_interrupted_killed_and_half_deleted_it_ends_as_an_unbroken_one(home: Path) -> None:
    words = [*COMPARE, *TOGETHER, "train.steps=60", "name=broken"]
    folder, unbroken = grid(home, "broken"), grid(home, "unbroken")
    assert run(home, *words, "name=unbroken").returncode == 0
    grpo = [folder / cell for cell in CELLS[:2]]
    sspo = [folder / cell for cell in CELLS[2:]]

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "sspo_cli", *words], cwd=home, env=environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    # Ctrl-C in a terminal reaches the whole process group, workers of the launcher included.
    first = start()
    wait_until(lambda: all(rows(cell) > 3 for cell in grpo))
    os.killpg(first.pid, signal.SIGINT)
    assert first.stderr is not None
    told = first.stderr.read()
    assert first.wait(LIMIT_S) == 130
    assert "0 of 4 cells done; go on with:" in told and "  sspo compare objective=grpo,sspo seed=0,1 " in told
    assert [get_status(cell) for cell in (folder, *grpo)] == ["interrupted"] * 3
    assert [cell.exists() for cell in sspo] == [False, False] and processes_of(folder) == []
    assert all(3 < rows(cell) < 61 and list((cell / "checkpoints").glob("step_*")) for cell in grpo)

    # kill -9 of the command alone: its workers and runs have to find out.
    second = start()
    wait_until(lambda: all(rows(cell) > 3 for cell in sspo))
    assert [get_status(cell) for cell in grpo] == ["done", "done"]
    second.kill()
    second.wait()
    (grpo[1] / "eval.jsonl").unlink()
    kept = times(grpo[0])

    third = run(home, *words)
    assert third.returncode == 0, third.stderr
    assert (folder / "summary.json").read_bytes() == (unbroken / "summary.json").read_bytes()
    assert times(grpo[0]) == kept
    assert "grpo/seed_1: is done but has no eval.jsonl" in third.stderr
    assert (folder / "aside" / "grpo-seed_1" / "summary.json").is_file()
    last = [json.loads((folder / cell / "metrics.jsonl").read_text().splitlines()[-1]) for cell in CELLS]
    whole = [json.loads((unbroken / cell / "metrics.jsonl").read_text().splitlines()[-1]) for cell in CELLS]
    assert [row["loss"] for row in last] == [row["loss"] for row in whole]
    wait_until(lambda: processes_of(folder) == [])


BROKEN = "# A gate that is not a number in float32.\ndefaults: [sspo]\ngate: {tau_pos: 1.0e-300, tau_neg: 1.0e-300}\n"


@pytest.mark.long
def test_a_cell_that_fails_is_told_and_counted_and_stops_nobody(
    sspo: Sspo, tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    write("conf/objective/broken.yaml", BROKEN)
    done = sspo("compare", "objective=broken,grpo", "seed=0", "hydra/launcher=basic", *TINY)
    folder = tmp_path / "outputs" / "compare" / "broken-grpo-addition"
    assert done.returncode == 1
    log = "outputs/compare/broken-grpo-addition/cells/broken/seed_0/log.txt"
    told = [line for line in done.stdout.splitlines() if line.startswith("failed: cells/broken/seed_0: ")]
    assert len(told) == 1 and "not finite" in told[0] and told[0].endswith(f"(log: {log})")
    assert (tmp_path / log).is_file()
    assert get_status(folder) == "failed: 1 of 2 cells"
    assert get_status(folder / "cells/grpo/seed_0") == "done"
    assert json.loads((folder / "summary.json").read_text())["cells"] == {"failed": 1, "done": 1}


def test_two_commands_do_not_run_one_grid_together(home: Path) -> None:
    from sspo_cli.runs.lock import hold

    with hold(grid(home)):
        done = run(home, *COMPARE)
    assert done.returncode == 2 and f"process {os.getpid()} is at work there" in done.stderr


def test_a_run_that_is_still_going_on_is_not_resumed(home: Path) -> None:
    from sspo_cli.runs.lock import hold

    cell = grid(home) / CELLS[0]
    copy = home / "copy"
    shutil.copytree(cell, copy)
    (copy / "STATUS").write_text("running\n")
    with hold(copy):
        done = run(home, "train", "--resume", "copy")
    assert done.returncode == 2 and f"process {os.getpid()} is at work there" in done.stderr


REFUSED: list[tuple[list[str], list[str]]] = [
    (["compare", "objective=grpo"], ["objective=grpo", "two objectives or more"]),
    (["compare", "seed=0,0"], ["seed=0,0", "more than once"]),
    (["compare", "optim.lr=1e-5,1e-6"], ["optim.lr=1e-05,1e-06", "sspo sweep", "--allow optim.lr"]),
    (["compare", "hydra/launcher=jobli"], ["hydra/launcher=jobli", "did you mean 'joblib'"]),
    (["compare", "compare.metric=eval/acuracy"], ["compare.metric=eval/acuracy", "did you mean 'eval/accuracy'"]),
    (["compare", "dataset=jsonl", "dataset.path=none.jsonl"], ["dataset.path=none.jsonl", "no such file"]),
    (["train", "--folder", "full", "preset=smoke"], ["--folder full", "not empty"]),
]


@pytest.mark.parametrize(("words", "named"), REFUSED, ids=lambda value: " ".join(value))
def test_a_request_that_makes_no_sense_is_one_line_and_writes_nothing(
    sspo: Sspo, tmp_path: Path, words: list[str], named: list[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "diary.txt").write_text("dear diary")
    done = sspo(*words)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("sspo: "), done.stderr
    for part in named:
        assert part in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_metric_that_shows_up_nowhere_stops_the_grid_at_its_first_step(sspo: Sspo, tmp_path: Path) -> None:
    words = ["compare", "objective=grpo,sspo", "seed=0", "hydra/launcher=basic", *TINY, "train.steps=2000"]
    done = sspo(*words, "compare.metric=los")
    assert done.returncode == 1
    assert "los: no run has this metric, did you mean 'loss'?" in done.stderr
    folder = tmp_path / "outputs" / "compare" / "grpo-sspo-addition"
    assert get_status(folder).startswith("failed: los: ")
    assert get_status(folder / "cells/grpo/seed_0") == "interrupted" and not (folder / "cells/sspo").exists()


def test_a_dry_run_tells_cells_cost_and_power_and_runs_nothing(home: Path) -> None:
    before, grids = times(grid(home)), sorted(grid(home).parent.iterdir())
    words = [*COMPARE, *TOGETHER, "seed=0,1,2", "--dry-run"]
    facts: dict[str, Any] = json.loads(run(home, *words, "--json").stdout)
    assert [cell["state"] for cell in facts["cells"]] == ["done", "done", "waiting"] * 2
    assert facts["left"] == 2 and facts["at_once"] == 2 and facts["seconds"] > 0
    assert "runs of this size took here" in facts["cost_of_a_cell"]["source"]
    assert facts["power"].startswith("Seeds needed to see a 5-point difference: ")

    unknown = run(home, *words, "batch.minibatches=1").stdout.splitlines()
    assert unknown[0].endswith(": 2 objectives x 3 seeds") and unknown[1].startswith("each cell: 3 steps; one step = ")
    assert unknown[2].startswith("cost: 6 runs, 2 at once") and unknown[2].endswith("--probe measures two steps")
    assert unknown[3].endswith("You have 3.") and "sspo        0, 1, 2" in unknown
    shown = run(home, *words, "batch.minibatches=1", "--probe")
    assert shown.returncode == 0, shown.stderr
    assert "6 runs, 2 at once" in shown.stdout and "from one step taken now" in shown.stdout
    assert "with 1 update per rollout all objectives are the same up to normalisation and advantage" in shown.stdout
    assert times(grid(home)) == before and sorted(grid(home).parent.iterdir()) == grids
