"""`engine=ddp` and `engine=fsdp` write what one process writes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from sspo_cli.runs import integrity
from sspo_cli.runs.folder import get_status
from tests.cli.conftest import Sspo, begin_sspo

pytestmark = pytest.mark.slow


STEPS = ["preset=smoke", "train.save_every=1", "train.keep_checkpoints=9"]


def test_a_run_is_the_same_on_other_engines_and_numbers_of_ranks(sspo: Sspo, tmp_path: Path) -> None:
    """By the reward of every response, evaluations included; a rank alone would have half of them. What one engine
    saved another goes on with."""
    go(sspo, *STEPS, "train.steps=3", "name=one")
    go(sspo, *STEPS, "train.steps=2", "engine=ddp", "engine.processes=2", "name=two")
    one, two = (tmp_path / "outputs" / "train" / name for name in ("one", "two"))
    go(sspo, "--resume", str(two), "train.steps=3", "engine=fsdp")
    for name in ("samples.jsonl", "eval.jsonl"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    assert (two / "STATUS").read_text() == (one / "STATUS").read_text()
    same_checkpoint(one / "checkpoints" / "step_000003", two / "checkpoints" / "step_000003")
    told = sspo("eval", str(two), "eval.problems=2", "eval.samples=1", "--json")
    assert told.returncode == 0, told.stderr


@pytest.mark.long
def test_a_run_goes_on_over_one_two_four_and_one_rank(sspo: Sspo, tmp_path: Path) -> None:
    """Equal to the unbroken run within rounding; on as many ranks as before, to the last bit."""
    words = [*STEPS, "batch.minibatches=2", "objective=grpo", "objective.kl.coef=0.1"]
    runs = tmp_path / "outputs" / "train"
    go(sspo, *words, "train.steps=8", "name=whole")
    go(sspo, *words, "train.steps=2", "name=broken")
    for change in (["engine=fsdp", "engine.processes=2"], ["engine.processes=4"], ["engine=single"]):
        steps = len((runs / "broken" / "metrics.jsonl").read_text().splitlines()) + 1
        go(sspo, "--resume", str(runs / "broken"), f"train.steps={steps}", *change)
    for name in ("samples.jsonl", "eval.jsonl"):
        assert (runs / "broken" / name).read_bytes() == (runs / "whole" / name).read_bytes()
    same_checkpoint(*(runs / name / "checkpoints" / "step_000008" for name in ("whole", "broken")))

    two = [*words, "engine=fsdp", "engine.processes=2"]
    go(sspo, *two, "train.steps=4", "name=whole2")
    go(sspo, *two, "train.steps=2", "name=broken2")
    go(sspo, "--resume", str(runs / "broken2"), "train.steps=4")
    for name in ("model.safetensors", "trainer/optimizer.safetensors"):
        whole, broken = (runs / run / "checkpoints" / "step_000004" / name for run in ("whole2", "broken2"))
        assert whole.read_bytes() == broken.read_bytes(), name


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_of_a_sharded_run_ends_all_and_the_run_goes_on(sspo: Sspo, tmp_path: Path, rank: int) -> None:
    words = ["preset=smoke", "engine=fsdp", "engine.processes=2", "train.save_every=1", "batch.minibatches=4"]
    process = begin_sspo(["train", *words, "train.steps=400", "name=one"], tmp_path)
    folder = tmp_path / "outputs" / "train" / "one"
    deadline = time.monotonic() + 240
    while not (folder / "checkpoints" / "step_000002").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (victim,) = [int(child) for child in children if f"RANK={rank}" in environ(child)]
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    done = process.wait(60)
    assert done.returncode == 1 and time.monotonic() - killed < 30
    told = f"sspo: rank {rank} was ended by SIGKILL, so all have ended; go on with `sspo train --resume RUN`"
    assert done.stderr.splitlines()[-1] == told and "Traceback" not in done.stderr
    if rank:
        assert get_status(folder) == "failed: another rank has ended, or does not answer"
    step = len((folder / "metrics.jsonl").read_text().splitlines()) + 1
    go(sspo, "--resume", str(folder), f"train.steps={step}", "-q")
    assert get_status(folder) == "done"


def go(sspo: Sspo, *words: str) -> None:
    done = sspo("train", *words)
    assert done.returncode == 0, done.stderr


def environ(process: str) -> list[str]:
    return Path(f"/proc/{process}/environ").read_bytes().decode().split("\0")


def same_checkpoint(one: Path, two: Path) -> None:
    """The same files, with equal tensors within rounding."""
    files = [sorted(str(file.relative_to(folder)) for file in folder.rglob("*")) for folder in (one, two)]
    assert files[0] == files[1] and not integrity.damage(two)
    for name in ("config.json", "generation_config.json", "tokenizer.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    for name in ("model.safetensors", "trainer/optimizer.safetensors"):
        found, other = load_file(one / name), load_file(two / name)
        assert list(found) == list(other)
        for key, value in found.items():
            assert torch.allclose(value, other[key], rtol=1e-4, atol=1e-6), f"{name}: {key}"


def test_counts_of_ranks_that_cannot_be_are_one_line(sspo: Sspo) -> None:
    for words, told in (
        (["engine.processes=2"], "engine=single is one process; write engine=ddp"),
        (["engine=fsdp", "lora.rank=4", "model.quantize=nf4"], "engine=fsdp shards weights of 16 and 32 bits"),
        (["engine=ddp", "engine.processes=33"], "is more than batch.prompts=32; start fewer"),
        (["engine=ddp", "engine.processes=0"], "must be greater than or equal to 1"),
    ):
        done = sspo("train", *words)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and told in line
    for engine in ("ddp", "fsdp"):
        grid = sspo("compare", "objective=grpo,sspo", "seed=0,1", f"engine={engine}")
        assert grid.returncode == 2 and f"engine={engine}: every cell of a grid is one process" in grid.stderr
    lost = sspo("train", "preset=smoke", TORCHELASTIC_RUN_ID="1", WORLD_SIZE="2", RANK="0")
    assert lost.returncode == 2 and "engine=single: torchrun started several processes" in lost.stderr
