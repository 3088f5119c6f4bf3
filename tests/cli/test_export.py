"""A checkpoint as a plain folder: what other programs load is the policy as it was trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from sspo_cli.config.schema import LocalModel
from sspo_cli.models.load import load_policy
from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs.folder import checkpoints
from tests.cli.conftest import Sspo, run_sspo

pytestmark = pytest.mark.slow

SHORT = ["preset=smoke", "batch.prompts=4", "train.save_every=1", "rollout.max_response_length=16"]
TOKEN_1L = torch.arange(40, 90)[None]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with adapters, with adapters on those, and without any; to be read only."""
    home = tmp_path_factory.mktemp("home")
    for name, words in (
        ("first", ["lora.rank=4", "lora.rslora=true", "optim.lr=3e-2"]),
        ("second", ["model=local", "model.path=outputs/train/first/checkpoints/step_000002", "lora.rank=4"]),
        ("held", ["lora.rank=4", "optim.lr=3e-2", "model.quantize=nf4"]),
        ("whole", ["optim.lr=1e-4"]),
    ):
        run_sspo(["train", *SHORT, *words, "--name", name, "-q"], home).check_returncode()
    return home


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(TOKEN_1L).logits
    return found


def policy(home: Path, run: str, step: int = 2) -> Any:
    path = home / "outputs/train" / run / "checkpoints" / f"step_{step:06d}"
    return load_policy(LocalModel(kind="local", path=str(path)), 0, torch.device("cpu")).model


@pytest.mark.parametrize(
    "run, words", [("first", ["--merge"]), ("first", []), ("second", ["--merge"]), ("whole", []), ("held", ["--merge"])]
)
def test_what_is_loaded_elsewhere_is_what_was_trained(
    sspo: Sspo, home: Path, tmp_path: Path, run: str, words: list[str]
) -> None:
    told = sspo("export", str(home / "outputs/train" / run), *words, "--to", "plain", "--json")
    assert told.returncode == 0, told.stderr
    plain = tmp_path / "plain"
    assert json.loads(told.stdout)["folder"] == "plain"
    assert not [path for path in tmp_path.rglob("*") if "trainer" in path.name or path.name.startswith(".partial")]
    trained = logits(policy(home, run))
    assert (trained - logits(AutoModelForCausalLM.from_pretrained(EMBEDDED))).abs().max() > 1e-3
    found = AutoModelForCausalLM.from_pretrained(plain)
    assert torch.allclose(logits(found), trained, rtol=0, atol=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(plain)
    assert tokenizer("1+2=")["input_ids"] == AutoTokenizer.from_pretrained(EMBEDDED)("1+2=")["input_ids"]
    assert (plain / "adapter_config.json").exists() == (run == "first" and not words)
    again = load_policy(LocalModel(kind="local", path=str(plain)), 0, torch.device("cpu"))
    assert torch.allclose(logits(again.model), trained, rtol=0, atol=1e-5)


@pytest.mark.long
def test_a_step_is_chosen_and_nothing_is_overwritten(sspo: Sspo, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "outputs", tmp_path / "outputs")
    run = "outputs/train/whole"
    assert sspo("export", run, "--step", "1").returncode == 0
    made = tmp_path / run / "exports/step_000001"
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(made)), logits(policy(home, "whole", 1)))
    partial = tmp_path / run / "checkpoints/.partial-step_000003-77"
    shutil.copytree(tmp_path / run / "checkpoints/step_000002", partial)
    (tmp_path / "outputs/train/first/checkpoints/step_000002/adapter_model.safetensors").write_bytes(b"cut")
    (tmp_path / "there").mkdir()
    for words, why in (
        ([run, "--step", "1"], "exists and is never overwritten"),
        ([run, "--to", "there"], "--to there: exists and is never overwritten"),
        ([run, "--step", "9"], "has no checkpoint of it (there are: 1, 2)"),
        ([run, "--merge"], "holds all weights, and no adapters to merge"),
        ([str(partial.relative_to(tmp_path))], "no whole checkpoint (there are: step_000001, step_000002)"),
        ([f"{run}/plots"], "no whole checkpoint"),
        (["outputs/train/first"], "adapter_model.safetensors: damaged"),
        (["outputs/train/first", "--merge"], "adapter_model.safetensors: damaged"),
        (["outputs/train/second"], "its adapters stand on adapters"),
        (["outputs"], "no train run, and no checkpoint of one"),
        (["nowhere"], "nowhere: no such run folder"),
    ):
        refused = sspo("export", *words)
        lines = refused.stderr.splitlines()
        assert refused.returncode == 2 and len(lines) == 1 and why in lines[0], (words, refused.stderr)
    assert not list((tmp_path / "outputs/train/first").glob("exports/*")) and not any((tmp_path / "there").iterdir())
    assert len(checkpoints(tmp_path / run)) == 2


def test_an_export_that_was_killed_leaves_nothing_in_the_way(sspo: Sspo, home: Path, tmp_path: Path) -> None:
    (tmp_path / ".partial-plain").mkdir()
    (tmp_path / ".partial-plain" / "model.safetensors").write_bytes(b"half")
    assert sspo("export", str(home / "outputs/train/whole/checkpoints/step_000002"), "--to", "plain").returncode == 0
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(tmp_path / "plain")), logits(policy(home, "whole")))
