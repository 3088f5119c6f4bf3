"""Bad input beyond the configuration itself: one clear line each, exit code 2, nothing written."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sspo_cli.models.source import EMBEDDED
from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


def refused(done: subprocess.CompletedProcess[str], tmp_path: Path, *expected: str) -> None:
    """`done` ended with code 2 and one line that holds each of `expected`; nothing was written."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("sspo: "), done.stderr
    for words in expected:
        assert words in lines[0]
    assert done.stdout == ""
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, ["dataset.path=mine.jsonl", "no such file"]),
        ('{"prompt": "1+1=", "answer": "2"}\n{"prompt": oops}\n', ["mine.jsonl:2", "not JSON"]),
        ('{"prompt": "1+1=", "reply": "2"}\n', ["mine.jsonl:1", "no field 'answer'", "prompt, reply"]),
        ("", ["dataset.path=mine.jsonl", "holds no problems"]),
    ],
)
def test_a_bad_problem_file(sspo: Sspo, tmp_path: Path, write: Write, content: str | None, expected: list[str]) -> None:
    if content is not None:
        write("mine.jsonl", content)
    refused(sspo("train", "dataset=jsonl", "dataset.path=mine.jsonl"), tmp_path, *expected)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        (["model.safetensors"], "weights (*.safetensors)"),
        (["tokenizer.json", "tokenizer_config.json"], "a tokenizer"),
        (["config.json"], "config.json"),
    ],
)
def test_a_model_folder_that_lacks_a_part(sspo: Sspo, tmp_path: Path, removed: list[str], expected: str) -> None:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    for name in removed:
        (tmp_path / "model" / name).unlink()
    done = sspo("train", "model=local", "model.path=model")
    refused(done, tmp_path, "model.path=model", "it lacks", expected)


def test_a_model_folder_that_does_not_exist(sspo: Sspo, tmp_path: Path) -> None:
    refused(sspo("train", "model=local", "model.path=nowhere"), tmp_path, "model.path=nowhere", "no such folder")


@pytest.mark.long
def test_a_hub_model_and_data_set_without_network_are_told_together(sspo: Sspo, tmp_path: Path) -> None:
    words = ["model=hub", "model.path=Qwen/Qwen2.5-0.5B-Instruct", "dataset=gsm8k", "reward=math"]
    done = sspo("train", *words, HF_HOME=str(tmp_path / "cache"))
    lines = done.stderr.splitlines()
    assert done.returncode == 2 and len(lines) == 2
    assert "dataset.path=openai/gsm8k" in lines[0] and "hf download openai/gsm8k --repo-type dataset" in lines[0]
    assert "model.path=Qwen/Qwen2.5-0.5B-Instruct" in lines[1] and str(tmp_path / "cache") in lines[1]
    assert not (tmp_path / "outputs").exists()


def test_prompts_longer_than_the_models_positions(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("long.jsonl", "".join(json.dumps({"prompt": "9" * 1000 + f"{i}=", "answer": "9"}) + "\n" for i in range(20)))
    done = sspo("train", "dataset=jsonl", "dataset.path=long.jsonl")
    refused(done, tmp_path, "20 of 20 prompts leave", "longest prompt has 1003 tokens", "1024 positions")


def test_a_run_name_that_exists_is_never_overwritten(sspo: Sspo, tmp_path: Path) -> None:
    taken = tmp_path / "outputs" / "train" / "mine"
    taken.mkdir(parents=True)
    done = sspo("train", "--name", "mine")
    assert done.returncode == 2 and "name=mine" in done.stderr and "never overwritten" in done.stderr
    assert "--resume" not in done.stderr, "there is nothing to go on with"
    assert list(taken.iterdir()) == []
    (taken / "checkpoints/step_000001").mkdir(parents=True)
    assert "sspo train --resume outputs/train/mine" in sspo("train", "--name", "mine").stderr


def test_outputs_that_cannot_be_written(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("file", "")
    done = sspo("train", "output_dir=file")
    refused(done, tmp_path, "output_dir=file", "cannot write")


def test_reference_solutions_are_needed_for_sft(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    write("mine.jsonl", "".join(json.dumps({"prompt": f"{i}=", "answer": "1"}) + "\n" for i in range(20)))
    words = ["objective=sft", "batch.samples_per_prompt=1", "dataset=jsonl", "dataset.path=mine.jsonl"]
    refused(sspo("train", *words), tmp_path, "no reference solution", "dataset.solution_field")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["eval", "nowhere"], "no such run"),
        (["train", "--resume", "nowhere"], "no such folder, so no checkpoint"),
        (["train", "--config", "nowhere.yaml"], "no such file"),
        (["train", "reward=python", "reward.path=nowhere.py"], "reward.path=nowhere.py"),
    ],
)
def test_a_path_that_leads_nowhere(sspo: Sspo, tmp_path: Path, words: list[str], expected: str) -> None:
    refused(sspo(*words), tmp_path, expected)
