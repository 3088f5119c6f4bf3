"""Adapters on a model, and on a model with adapters: whoever reads them back gets what was trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sspo_cli.models.source import EMBEDDED
from sspo_cli.runs import jsonl
from sspo_cli.runs.folder import set_status
from tests.cli.conftest import Sspo, run_sspo

pytestmark = pytest.mark.slow


SHORT = [
    "preset=smoke",
    "batch.prompts=4",
    "train.save_every=1",
    "rollout.max_response_length=24",
    "eval.max_response_length=24",
]
# A rate so large, and a reward so often untied, that two steps change many answers.
REWARD = "def score(prompt, response, answer):\n    return response.count('1') / 8\n"
JUDGED = ["reward=python", "reward.path=ones.py"]
WORDS = [*SHORT, *JUDGED, "lora.rank=8", "optim.lr=3e-3"]
LAST = "checkpoints/step_000002"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a model, adapters trained on it, and adapters trained on both; to be read only."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(EMBEDDED, home / "models" / "mine")
    (home / "ones.py").write_text(REWARD)
    for name, model in (("first", "models/mine"), ("second", f"outputs/train/first/{LAST}")):
        words = ["train", *WORDS, "model=local", f"model.path={model}", "--name", name]
        run_sspo(words, home).check_returncode()
    return home


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Iterator[Path]:
    """All of it moved elsewhere: the place where it was made is gone."""
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    hidden = home.with_name("hidden")
    home.rename(hidden)
    yield tmp_path
    hidden.rename(home)


def responses(file: Path, step: int | None = None) -> list[str]:
    return [row["response"] for row in jsonl.read(file) if row.get("step") == step]


def spoil(model: Path) -> None:
    weights = {name: 1.05 * value for name, value in load_file(model / "model.safetensors").items()}
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def interrupt(run: Path) -> None:
    shutil.rmtree(run / LAST)
    set_status(run, "interrupted")


@pytest.mark.long
def test_what_is_evaluated_is_what_was_trained_wherever_the_folders_lie_by_now(sspo: Sspo, copy: Path) -> None:
    trained = responses(copy / "outputs/train/second/eval.jsonl", 2)
    before = responses(copy / "outputs/train/second/eval.jsonl", 0)
    assert before == responses(copy / "outputs/train/first/eval.jsonl", 2)
    assert sum(a != b for a, b in zip(trained, before, strict=True)) > 4
    for target in ("outputs/train/second", f"outputs/train/second/{LAST}"):
        done = sspo("eval", target, "--json", "-q")
        assert done.returncode == 0, done.stderr
        assert responses(copy / json.loads(done.stdout)["folder"] / "eval.jsonl") == trained
    interrupt(copy / "outputs/train/second")
    done = sspo("train", "--resume", "outputs/train/second")
    assert done.returncode == 0, done.stderr
    assert responses(copy / "outputs/train/second/eval.jsonl", 2) == trained


@pytest.mark.long
def test_adapters_whose_base_has_changed_are_refused_with_the_difference(sspo: Sspo, copy: Path) -> None:
    spoil(copy / "models" / "mine")
    second = f"outputs/train/second/{LAST}"
    for words in (
        ["eval", "outputs/train/first"],
        ["eval", second],
        ["train", *WORDS, "model=local", f"model.path={second}"],
    ):
        refused = sspo(*words)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
        assert f"{LAST}: stands on " in refused.stderr and "has changed since: its SHA-256 is " in refused.stderr
    interrupt(copy / "outputs/train/first")
    refused = sspo("train", "--resume", "outputs/train/first")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert "the model that adapters, or the reference policy, stand on: SHA-256 " in refused.stderr
    done = sspo("train", "--resume", "outputs/train/first", "--allow-change")
    assert done.returncode == 0, done.stderr
    evaluated = sspo("eval", "outputs/train/first", "--json", "-q")
    assert evaluated.returncode == 0, "the new checkpoint says that it stands on the changed model"
    expected = responses(copy / "outputs/train/first/eval.jsonl", 2)
    assert responses(copy / json.loads(evaluated.stdout)["folder"] / "eval.jsonl") == expected


@pytest.mark.long
def test_a_reference_policy_that_has_changed_is_refused(sspo: Sspo, tmp_path: Path) -> None:
    """Without adapters the checkpoint holds all weights, but the reference is read from where the run began."""
    shutil.copytree(EMBEDDED, tmp_path / "mine")
    words = [*SHORT, "model=local", "model.path=mine", "objective.kl.coef=0.1", "--folder", "run"]
    assert sspo("train", *words).returncode == 0
    interrupt(tmp_path / "run")
    kept = shutil.copytree(tmp_path / "mine", tmp_path / "kept")
    spoil(tmp_path / "mine")
    refused = sspo("train", "--resume", "run")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    assert "the model that adapters, or the reference policy, stand on: SHA-256 " in refused.stderr
    shutil.rmtree(tmp_path / "mine")
    missing = sspo("train", "--resume", "run")
    assert missing.returncode == 2 and f"{tmp_path / 'mine'} is not there" in missing.stderr
    kept.rename(tmp_path / "mine")
    assert sspo("train", "--resume", "run").returncode == 0


@pytest.mark.long
def test_adapters_of_an_earlier_version_stand_on_what_their_run_began_with(sspo: Sspo, copy: Path) -> None:
    """It wrote down the model under the first adapters, as if there were none, and nothing else."""
    for run in ("first", "second"):
        folder = copy / "outputs" / "train" / run
        for checkpoint in (folder / "checkpoints").iterdir():
            for file in checkpoint.glob("sspo_*.json"):
                file.unlink()
            adapter = json.loads((checkpoint / "adapter_config.json").read_text())
            adapter["base_model_name_or_path"] = str(copy / "models" / "mine")
            (checkpoint / "adapter_config.json").write_text(json.dumps(adapter))
        (folder / "manifest.json").write_text(json.dumps({"hashes": {}}))
    done = sspo("eval", "outputs/train/second", "--json", "-q")
    assert done.returncode == 0 and "was saved before checkpoints had manifests" in done.stderr
    trained = responses(copy / "outputs/train/second/eval.jsonl", 2)
    assert responses(copy / json.loads(done.stdout)["folder"] / "eval.jsonl") == trained


def test_rank_is_the_checkpoints_own(sspo: Sspo, copy: Path) -> None:
    run = copy / "outputs/train/second"
    interrupt(run)
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("rank: 8", "rank: 4"))
    refused = sspo("train", "--resume", "outputs/train/second", "--allow-change")
    assert refused.returncode == 2 and "lora.rank: 8 when the run began, 4 now" in refused.stderr
    assert "begin a run that starts from one" in refused.stderr
