"""`sspo train --profile`: an ordinary run, and where one of its steps spent its time."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.runs import jsonl
from sspo_cli.timing import PHASES
from tests.cli.conftest import Sspo, run_sspo
from tests.cli.test_train import metrics

pytestmark = pytest.mark.slow


SMOKE = ["preset=smoke", "train.steps=4", "train.eval_every=3", "train.save_every=2"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where one run was made twice, with a profile and without."""
    home = tmp_path_factory.mktemp("profiles")
    for name, options in (("plain", []), ("profiled", ["--profile"])):
        done = run_sspo(["train", *SMOKE, "--name", name, "--json", *options], home)
        done.check_returncode()
        assert done.stderr.count("\n") == 5, "a line a step; the profiler itself says nothing"
        (home / f"{name}.json").write_text(done.stdout)
    return home


def test_a_profiled_run_is_otherwise_an_ordinary_run(home: Path) -> None:
    plain, profiled = (home / "outputs" / "train" / name for name in ("plain", "profiled"))
    assert metrics(profiled) == metrics(plain)
    assert (profiled / "samples.jsonl").read_bytes() == (plain / "samples.jsonl").read_bytes()
    files = [{path.name for path in folder.iterdir()} for folder in (profiled, plain)]
    assert files[0] - files[1] == {"profile"} and not files[1] - files[0]


def test_the_first_evaluated_step_after_the_warm_up_is_traced(home: Path) -> None:
    folder = home / "outputs" / "train" / "profiled" / "profile"
    assert sorted(path.name for path in folder.iterdir()) == ["step_000003.json.gz", "step_000003.txt"]
    with gzip.open(folder / "step_000003.json.gz", "rt", encoding="utf-8") as file:
        events = json.load(file)["traceEvents"]
    names = [event["name"] for event in events]
    assert {*PHASES, "aten::mm"} <= set(names) and names.count("step") == 1


def test_the_times_of_the_profile_add_up(home: Path) -> None:
    found = json.loads((home / "profiled.json").read_text())["profile"]
    phases = found["phases"]
    assert found["step"] == 3 and list(phases) == [*PHASES, "step"]
    for share in phases.values():
        assert share["compute"] + share["copies"] + share["python"] == pytest.approx(1)
        assert min(share["compute"], share["copies"], share["python"]) > -1e-9
    step = phases.pop("step")["seconds"]
    assert sum(phase["seconds"] for phase in phases.values()) < step
    spent = sum(sum(op["by_phase"].values()) for op in found["ops"])
    assert 0 < spent < step, "on one thread, self times of ops never overlap"


def test_every_step_says_how_long_its_phases_took(home: Path) -> None:
    rows = jsonl.read(home / "outputs" / "train" / "plain" / "metrics.jsonl")[1:]
    assert len(rows) == 4
    for row in rows:
        times: dict[str, Any] = {key: value for key, value in row.items() if key.startswith("time/")}
        evaluated = {"time/evaluation_s"} if "eval/accuracy" in row else set()
        assert set(times) == {"time/rollout_s", "time/reward_s", "time/update_s", "time/total_s"} | evaluated
        assert all(seconds > 0 for seconds in times.values())
        assert sum(times.values()) <= 2 * times["time/total_s"]


@pytest.mark.long
def test_a_resumed_run_warms_up_anew_and_prints_what_it_found(sspo: Sspo, tmp_path: Path, home: Path) -> None:
    cut = tmp_path / "outputs" / "train" / "cut"
    shutil.copytree(home / "outputs" / "train" / "plain", cut)
    (cut / "STATUS").write_text("interrupted\n")
    shutil.rmtree(cut / "checkpoints" / "step_000004")
    done = sspo("train", "--resume", str(cut), "--profile")
    assert done.returncode == 0, done.stderr
    top = done.stdout.split("profile of step 4", maxsplit=1)[1]
    table = (cut / "profile" / "step_000004.txt").read_text(encoding="utf-8")
    for text in (top, table):
        rows = [line.split()[0] for line in text[text.index("phase ") :].splitlines() if line.strip()]
        assert rows[:7] == ["phase", *PHASES, "step", "op,"]
    assert max(map(len, top.splitlines()[:-2])) <= 80
    assert len(table.splitlines()) > 2 * len(top.splitlines())
    assert str(cut / "profile" / "step_000004.json.gz") in top


def test_without_a_step_to_profile_nothing_is_run(sspo: Sspo, tmp_path: Path) -> None:
    for words in (["train.steps=1"], ["--dry-run"]):
        done = sspo("train", "preset=smoke", "--profile", *words)
        assert done.returncode == 2 and done.stderr.startswith("sspo: --profile: ")
    assert list(tmp_path.iterdir()) == []
