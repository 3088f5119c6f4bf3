"""A lack of memory is one line with the keys to change, wherever it strikes."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment

pytestmark = pytest.mark.slow

GIB = 2**30
SMALL = ["preset=smoke", "batch.prompts=1", "batch.samples_per_prompt=2", "rollout.max_response_length=2"]
LARGE = ["model=scratch", "model.hidden_size=2048", "model.intermediate_size=8192", "model.heads=8"]


def limited(words: list[str], cwd: Path, gib: float) -> subprocess.CompletedProcess[str]:
    """In so much address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(gib * GIB), int(gib * GIB)))

    command = [sys.executable, "-m", "sspo_cli", *words]
    return subprocess.run(command, cwd=cwd, env=environment(), preexec_fn=limit, capture_output=True, text=True)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_in_an_update_the_run_fails_with_the_keys_to_change(tmp_path: Path) -> None:
    """Weights and gradients fit, the moments of AdamW do not."""
    words = ["train", *SMALL, *LARGE, "model.layers=2", "eval.problems=1", "eval.samples=1", "--folder", "run"]
    line = last_line(limited(words, tmp_path, 2.6))
    assert "failed: out of memory: " in line and "GiB more did not fit: lower engine.tokens_per_microbatch" in line
    for key in ("engine.tokens_per_generation", "engine.gradient_checkpointing=true", "lora.rank=16"):
        assert key in line
    assert "model.dtype" not in line, "nothing is there that is not trained"
    status = (tmp_path / "run" / "STATUS").read_text()
    assert status.startswith("failed: out of memory: ") and status.count("\n") == 1


def test_while_loading_no_run_is_made(tmp_path: Path) -> None:
    line = last_line(limited(["train", *SMALL, *LARGE, "model.layers=10"], tmp_path, 2.6))
    assert line.startswith("sspo: out of memory: ") and "engine.tokens_per_microbatch" in line
    assert not (tmp_path / "outputs").exists()
