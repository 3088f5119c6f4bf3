"""`sspo inspect`: gradients of objectives on identical rollouts."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.cli.conftest import Sspo, Write

pytestmark = pytest.mark.slow


SMALL = ("preset=smoke", "batch.prompts=16", "-q")


def inspected(sspo: Sspo, *words: str) -> dict[str, Any]:
    done = sspo("inspect", *words, *SMALL, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_sspo_without_a_gate_has_the_gradient_of_gspo_without_clipping(sspo: Sspo) -> None:
    found = inspected(sspo, "objective=sspo,gspo", "objective/gate=identity", "optim.lr=1e-4")
    assert found["off_policy"]["ratio"]["std"] > 0.05
    assert found["off_policy"]["cosine"][0][1] == pytest.approx(1, abs=1e-6)
    assert found["off_policy"]["norm_ratio"][0][1] == pytest.approx(1, abs=1e-5)


def test_objectives_agree_at_r_1_and_part_once_off_policy(sspo: Sspo, tmp_path: Path) -> None:
    names = ["sspo", "sapo", "gmpo", "grpo"]
    found = inspected(sspo, f"objective={','.join(names)}", "--updates", "6", "optim.lr=1e-4", "name=four")
    assert list(found["off_policy"]["objectives"]) == names
    for i, j in combinations(range(4), 2):
        assert found["on_policy"]["cosine"][i][j] == pytest.approx(1, abs=1e-6)
        assert found["on_policy"]["norm_ratio"][i][j] == pytest.approx(1, abs=1e-5)
        assert abs(found["off_policy"]["cosine"][i][j]) < 0.999
    folder = tmp_path / "outputs" / "inspect" / "four"
    assert json.loads((folder / "inspect.json").read_text())["off_policy"] == found["off_policy"]
    for plot in ("cosine", "gradients"):
        drawn = ElementTree.parse(folder / "plots" / f"{plot}.svg")
        texts = {"".join(node.itertext()).strip() for node in drawn.iter() if node.tag.endswith("text")}
        assert set(names) <= texts


def test_without_updates_nothing_has_moved(sspo: Sspo) -> None:
    found = inspected(sspo, "objective=sspo,rloo", "--updates", "0")
    assert found["off_policy"] == found["on_policy"]
    assert found["on_policy"]["objectives"]["sspo"]["effective_ratio"] == pytest.approx(1, abs=1e-3)


def test_the_rollouts_of_a_checkpoint_are_those_that_the_run_drew_from_it(sspo: Sspo, tmp_path: Path) -> None:
    words = ("preset=smoke", "train.steps=2", "train.save_every=1", "objective=grpo", "name=run", "-q")
    trained = sspo("train", *words)
    assert trained.returncode == 0, trained.stderr
    run = tmp_path / "outputs" / "train" / "run"
    row = json.loads((run / "metrics.jsonl").read_text().splitlines()[2])
    done = sspo("inspect", str(run / "checkpoints" / "step_000001"), "objective=sspo", "--json", "-q")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["step"], found["moved_by"], found["responses"]) == (1, "grpo", 64)
    assert found["tokens"] == row["tokens/generated"]
    assert found["reward"] == pytest.approx(row["reward/mean"])


def test_the_screen_names_every_objective_with_its_figures_and_the_files(sspo: Sspo, tmp_path: Path) -> None:
    done = sspo("inspect", "objective=sspo,grpo", *SMALL)
    assert done.returncode == 0, done.stderr
    assert "128 responses in 2 batches" in done.stdout and "moved by 2 updates of sspo" in done.stdout
    shown = done.stdout.splitlines()
    end = shown.index("try next:")
    for name in ("sspo", "grpo"):
        assert sum(name in line.split()[:2] for line in shown[:end]) == 2
    assert (tmp_path / shown[end - 1]).is_file() and shown[end + 1].startswith("  sspo compare objective=")
    assert [line for line in shown if line != line.rstrip()] == []
    assert "\x1b" not in done.stdout


def test_a_users_objective_is_inspected_with_the_others(sspo: Sspo, write: Write) -> None:
    write("conf/objective/mine.yaml", "# Mine.\ndefaults:\n  - sspo\n  - override gate: erf\nnormalize: token\n"
          "gate:\n  one_sided: true\n")  # fmt: skip
    found = inspected(sspo, "objective=mine,sspo")
    assert list(found["off_policy"]["objectives"]) == ["mine", "sspo"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["objective=sspoo"], "objective=sspoo: unknown choice, did you mean 'sspo'?"),
        (["objective=sft"], "objective=sft: learns reference solutions, so it has no gradient on rollouts"),
        (["objective=grpo,sspo", "objective.gate.tau_pos=2"], "objective=grpo: unknown key 'objective.gate.tau_pos'"),
        (["nowhere"], "nowhere: no such run or checkpoint"),
        (["--updates", "-1"], "--updates"),
        (["objective=[sspo"], "cannot read 'objective=[sspo'"),
    ],
)
def test_bad_requests_are_told_in_a_line_each(sspo: Sspo, words: list[str], said: str) -> None:
    done = sspo("inspect", *words)
    assert done.returncode == 2 and done.stdout == ""
    assert any(said in line for line in done.stderr.splitlines()), done.stderr
    assert "Traceback" not in done.stderr


def test_rollouts_without_a_difference_in_reward_are_refused(sspo: Sspo, write: Write) -> None:
    """Within a group; REINFORCE compares with the mean over all groups and still has a gradient."""
    write("by_prompt.py", "def score(prompt, response, answer):\n    return float(sum(map(ord, prompt)))\n")
    words = ["preset=smoke", "batch.prompts=2", "reward=python", "reward.path=by_prompt.py", "reward.correct=1"]
    refused = sspo("inspect", "objective=sspo,rloo", *words)
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr.splitlines()[-1].startswith("sspo: batch.prompts=2: all rewards of each group are equal")
    assert sspo("inspect", "objective=sspo,reinforce", *words, "--json").returncode == 0
