"""Models by the command line: files, and a hub that cannot be reached."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sspo_cli.models.source import EMBEDDED
from tests.cli.conftest import Sspo, environment
from tests.gguf_files import tiny_llama, write_gguf

pytestmark = pytest.mark.slow

SMALL = ["preset=smoke", "batch.prompts=2", "eval.problems=4", "rollout.max_response_length=4", "train.steps=1"]


def test_a_gguf_file_is_trained_evaluated_and_refused(sspo: Sspo, tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    made = Path(environment()["HF_HOME"]) / "sspo" / "gguf"
    model = ["model=local", "model.path=tiny.gguf"]
    shown = sspo("train", *model, "--dry-run")
    assert shown.returncode == 0 and not list(made.glob("tiny-*")), "a dry run makes nothing"
    done = sspo("train", *SMALL, *model, "lora.rank=2", "--folder", "run", "-q")
    assert done.returncode == 0, done.stderr
    assert list(made.glob("tiny-*"))
    assert sspo("eval", "run", "eval.problems=4", "-q").returncode == 0
    (tmp_path / "text.gguf").write_text("no model")
    for words in (["train", *SMALL, "model=local", "model.path=text.gguf", "--folder", "other"], ["eval", "text.gguf"]):
        refused = sspo(*words)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
        assert refused.stderr.startswith("sspo: model.path=text.gguf: not a GGUF file")
    assert not (tmp_path / "other").exists()


@pytest.fixture
def closed() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "kind, words, key, command",
    [
        ("silent", ["model=hub", "model.path=some/one"], "model.path=some/one", "`hf download some/one`"),
        (
            "closed",
            ["dataset=gsm8k", "dataset.path=some/data"],
            "dataset.path=some/data",
            "`hf download some/data --repo-type dataset`",
        ),
    ],
)
def test_without_a_hub_one_line_says_what_to_download(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, words: list[str], key: str, command: str
) -> None:
    endpoint = f"http://127.0.0.1:{request.getfixturevalue(kind)}"
    env = {**environment(), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
    begun = time.monotonic()
    told = subprocess.run(
        [sys.executable, "-m", "sspo_cli", "train", *words], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    seconds = time.monotonic() - begun
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1, told.stderr
    assert told.stderr.startswith(f"sspo: {key}: not in the local cache ({tmp_path / 'home'}")
    assert endpoint in told.stderr and command in told.stderr
    assert seconds < 20, "a busy machine takes its time to import; the hub is asked for two seconds"
    assert not (tmp_path / "outputs").exists()


def test_part_of_a_model_in_the_cache_is_told(sspo: Sspo, tmp_path: Path) -> None:
    """As a download that was stopped leaves it."""
    snapshot = Path(environment()["HF_HOME"]) / "hub" / "models--some--one" / "snapshots" / ("0" * 40)
    shutil.copytree(EMBEDDED, snapshot, ignore=shutil.ignore_patterns("model.safetensors"))
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("0" * 40)
    words = ["train", *SMALL, "model=hub", "model.path=some/one"]
    told = sspo(*words)
    assert told.returncode == 2 and len(told.stderr.splitlines()) == 1, told.stderr
    assert "in the local cache only in part" in told.stderr and "lacks weights (*.safetensors)" in told.stderr
    assert "HF_HUB_OFFLINE is set" in told.stderr
    (snapshot / "model.safetensors").symlink_to(EMBEDDED / "model.safetensors")
    done = sspo(*words, "--folder", "run", "-q")
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["model"]["revision"] == "0" * 40 and manifest["settings"]["model"]["revision"] == "main"
