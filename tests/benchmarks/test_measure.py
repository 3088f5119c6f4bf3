"""The harness on a model of a few hundred weights: real processes, the real loop, no figure of time looked at."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import call
from benchmarks.workload import Workload

pytestmark = pytest.mark.slow


TINY = Workload(
    hidden=16, intermediate=32, layers=1, heads=2, prompts=16, samples_per_prompt=16, max_response_length=24
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    call("checkpoint.write", TINY, folder, 1, {})
    return folder


@pytest.mark.long
def test_a_step_of_ours_is_told_whole(folder: Path) -> None:
    result = call("ours.measure", TINY, folder, 1, {"steps": 2})
    assert len(result["rows"]) == 2
    for row in result["rows"]:
        phases = row["rollout_s"] + row["scoring_s"] + row["update_s"] + row["other_s"]
        assert row["step_s"] == pytest.approx(phases) and row["other_s"] >= 0
        assert 0 < row["rollout_attention_s"] < row["rollout_s"]
        assert (row["responses"], row["updates"]) == (256, 4)
        assert row["encoded_prompt_tokens"] * 16 == row["prompt_tokens"], "a prompt is read once for its 16 samples"
        assert row["longest_response"] <= 24
        # The weights are made so that responses have this length on average; their spread is about a third of the cap.
        assert row["response_tokens"] / row["responses"] == pytest.approx(24 * 81 / 128, abs=4 * 8 / 256**0.5)


def test_the_parent_holds_no_torch() -> None:
    code = "import sys, benchmarks.__main__; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
