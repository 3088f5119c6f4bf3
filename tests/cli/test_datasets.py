"""Datasets and the rewards that fit them, on the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Sspo, Write
from tests.data.published_files import write_published

pytestmark = pytest.mark.slow

GYM = "chain_sum: {dataset: reasoning_gym, tasks: chain_sum, size: 40, prompt_template: '{{ prompt }}'}"
SCORE = """def score(prompt, response, answer):
    return {"length": len(response) / 100, "right": float(answer in response)}
"""


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_mixture_trains_goes_on_and_is_evaluated_with_metrics_of_every_part(
    sspo: Sspo, write: Write, tmp_path: Path
) -> None:
    """Text, a scorer of reasoning-gym and a function of the user's, in one run."""
    pytest.importorskip("reasoning_gym")
    write("mine.jsonl", "".join(json.dumps({"prompt": f"{i}+1=", "answer": str(i + 1)}) + "\n" for i in range(40)))
    write("score.py", SCORE)
    mine = "mine: {dataset: jsonl, path: mine.jsonl, weight: 2, reward: {kind: python, path: score.py, correct: right}}"
    words = ["dataset=mixture", f"dataset.parts={{addition: {{}}, {GYM}, {mine}}}", "preset=smoke", "eval.problems=9"]
    whole = sspo("train", *words, "train.save_every=1", "--name", "whole")
    assert whole.returncode == 0, whole.stderr
    folder = tmp_path / "outputs" / "train" / "whole"
    sources = ("addition", "chain_sum", "mine")
    steps = rows(folder / "metrics.jsonl")
    for source in sources:
        for row in (steps[0], steps[-1]):
            assert (
                row[f"eval/accuracy/{source}_low"]
                <= row[f"eval/accuracy/{source}"]
                <= row[f"eval/accuracy/{source}_high"]
            )
    by_source = {source: steps[-1][f"eval/accuracy/{source}"] for source in sources}
    assert steps[-1]["eval/accuracy"] == pytest.approx(sum(by_source.values()) / 3)
    assert {name for row in steps for name in row if name.startswith("reward/mean/")} <= {
        f"reward/mean/{s}" for s in sources
    }
    assert {"reward/exact", "reward/right", "reward/length"} <= {name for row in steps for name in row}
    rules = {row["source"]: row["correct_if"] for row in rows(folder / "eval.jsonl")}
    assert rules == {"addition": "exact >= 1", "chain_sum": "reward >= 1", "mine": "right >= 1"}
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["eval/accuracy/mine"].keys() == {"first", "best", "last"}
    assert "held-out accuracy of mine" in whole.stdout
    assert "Held-out accuracy of mine" in (folder / "report.html").read_text()
    shown = sspo("show", "metric", "eval/accuracy/mine", "reward/mean/mine")
    assert shown.returncode == 0 and "one part of a mixture" in shown.stdout

    half = tmp_path / "outputs" / "train" / "half"
    shutil.copytree(folder, half)
    shutil.rmtree(half / "checkpoints" / "step_000002")
    (half / "STATUS").write_text("interrupted\n")
    write("score.py", SCORE + "\n")
    changed = sspo("train", "--resume", "outputs/train/half")
    assert changed.returncode == 2 and "at reward.parts.mine.path" in changed.stderr
    write("score.py", SCORE)
    resumed = sspo("train", "--resume", "outputs/train/half")
    assert resumed.returncode == 0, resumed.stderr
    assert rows(half / "samples.jsonl") == rows(folder / "samples.jsonl")
    assert rows(half / "eval.jsonl") == rows(folder / "eval.jsonl")

    evaluated = sspo("eval", "outputs/train/whole", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert {source: figures[f"eval/accuracy/{source}"] for source in sources} == by_source


@pytest.mark.long
def test_a_compare_ranks_objectives_by_one_part_with_the_problems_of_that_part(sspo: Sspo, tmp_path: Path) -> None:
    parts = "dataset.parts={addition: {}, hard: {dataset: addition_hard}}"
    words = ["objective=sspo,grpo", "seed=0", "dataset=mixture", parts, "preset=smoke", "train.steps=1", "--name", "c"]
    refused = sspo("compare", *words, "compare.metric=eval/accuracy/esay")
    assert refused.returncode == 2
    assert (
        "compare.metric=eval/accuracy/esay: no run has it" in refused.stderr and "eval/accuracy/hard" in refused.stderr
    )
    done = sspo("compare", *words, "compare.metric=eval/accuracy/hard")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "outputs" / "compare" / "c" / "summary.json").read_text())
    assert summary["metric"] == "eval/accuracy/hard"


def test_the_reward_of_a_dataset_is_there_without_a_word_and_another_is_told(sspo: Sspo, tmp_path: Path) -> None:
    home = write_published(tmp_path, "gsm8k")
    write_published(tmp_path, "math500", ".parquet")
    words = ["dataset=gsm8k", f"dataset.path={home}", "preset=smoke", "train.steps=1", "rollout.max_response_length=4"]
    fitting = sspo("train", *words, "--name", "fitting")
    assert fitting.returncode == 0 and "chosen by hand" not in fitting.stderr, fitting.stderr
    saved = yaml.safe_load((tmp_path / "outputs" / "train" / "fitting" / "config.yaml").read_text())
    assert saved["choices"]["reward"] == saved["reward"]["kind"] == "math"
    other = sspo("train", *words, "reward=exact", "--name", "other")
    told = "reward=exact: chosen by hand; dataset=gsm8k is made for reward=math"
    assert other.returncode == 0 and other.stderr.count(told) == 1
    evaluated = sspo(
        "eval", "outputs/train/other", "dataset=math500", "dataset.path=math500/test.parquet", "reward=exact"
    )
    assert evaluated.returncode == 0 and "dataset=math500 is made for reward=math" in evaluated.stderr
    assert "dataset=math500: has 1 of the eval.problems=8 asked for" in evaluated.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["dataset=aime24"],
        ["dataset=gsm8k", "dataset.path=empty"],
        ["dataset=mixture"],
        ["dataset=mixture", "dataset.parts={gsm8k: {weight: 0}}"],
        ["dataset=reasoning_gym", "dataset.tasks=no_such"],
        ["dataset=reasoning_gym", "dataset.tasks=chain_sum", "dataset.params.chain_sum.min_terms=9"],
    ],
)
def test_a_bad_dataset_is_one_line_and_leaves_no_run(sspo: Sspo, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "empty").mkdir()
    refused = sspo("train", *words)
    assert refused.returncode == 2 and len(refused.stderr.strip().splitlines()) == 1, refused.stderr
    assert not list(tmp_path.glob("outputs/train/*"))


def test_a_part_leaves_out_prompts_by_its_own_limit(sspo: Sspo, write: Write, tmp_path: Path) -> None:
    write("mine.jsonl", "".join(json.dumps({"prompt": i * "1" + "+1=", "answer": "2"}) + "\n" for i in range(1, 31)))
    mine = "mine: {dataset: jsonl, path: mine.jsonl, eval_fraction: 0.5, max_prompt_length: 20}"
    words = ["dataset=mixture", f"dataset.parts={{addition: {{}}, {mine}}}", "preset=smoke", "train.steps=1"]
    done = sspo("train", *words, "--name", "m")
    assert done.returncode == 0, done.stderr
    assert "dataset.parts: max_prompt_length: longer prompts are left out" in done.stderr
    read = [row["prompt"] for name in ("samples", "eval") for row in rows(tmp_path / f"outputs/train/m/{name}.jsonl")]
    assert max(map(len, read)) <= 20 and any(set(prompt) == set("1+=") for prompt in read)
    refused = sspo("train", *words, "dataset.parts.mine.max_prompt_length=1")
    assert (
        refused.returncode == 2
        and "dataset.parts.mine.max_prompt_length: leaves this part no problem" in refused.stderr
    )
    shown = sspo("train", "--dry-run", *words, "dataset.parts.mine.weight=0.1").stdout
    for part in ("addition", "mine"):
        assert re.search(
            rf"^first prompt \({part}/.*\): \d+ tokens.*\n  .*=\n(a response .*\n)?answer: \d+$", shown, re.M
        )
    assert shown.count("\na response ends with: ") == 1
    preview = sspo("train", "--dry-run", "dataset=mixture", "dataset.parts={gsm8k: {}, addition: {}}")
    assert preview.returncode == 0 and "gsm8k by math: 1 if the final answer equals" in " ".join(preview.stdout.split())
