"""`sspo report` on real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


TINY = ("preset=smoke", "train.steps=1", "train.eval_every=1", "batch.prompts=4", "batch.samples_per_prompt=4")


def test_runs_are_reported_alone_and_together(sspo: Sspo, tmp_path: Path) -> None:
    for objective in ("grpo", "sspo"):
        done = sspo("train", f"objective={objective}", *TINY, f"name={objective}", "--quiet")
        assert done.returncode == 0, done.stderr
    runs = [f"outputs/train/{name}" for name in ("grpo", "sspo")]

    page = tmp_path / runs[0] / "report.html"
    before = page.read_bytes()
    page.unlink()
    (tmp_path / runs[0] / "plots/learning_curve.svg").unlink()
    alone = sspo("report", runs[0])
    assert (alone.returncode, alone.stdout) == (0, f"report: {runs[0]}/report.html\n")
    assert page.read_bytes() == before

    both = sspo("report", *runs, COLUMNS="80", NO_COLOR="1")
    assert both.returncode == 0, both.stderr
    folder = tmp_path / "outputs/report/grpo-sspo"
    assert both.stdout.startswith("No verdict with 1 seed: the difference from grpo is ")
    assert f"report: outputs/report/{folder.name}/report.html" in both.stdout
    summary = json.loads((folder / "summary.json").read_text())
    assert {item["name"] for item in summary["points"]} == {"grpo", "sspo"}
    assert {"report.md", "results.csv", "config.yaml", "command.sh"} <= {file.name for file in folder.iterdir()}
    assert (folder / "command.sh").read_text().endswith(f"sspo report {' '.join(runs)}\n")
    other = sspo("report", *runs, "--metric", "reward/mean", "--direction", "min", "--baseline", "sspo", "--json")
    told = json.loads(other.stdout)
    assert (told["folder"], told["baseline"]) == ("outputs/report/grpo-sspo-2", "sspo")
    assert told["words"][0].startswith("No verdict with 1 seed: the difference from sspo is ")
    assert {item.name for item in folder.parent.iterdir()} == {"grpo-sspo", "grpo-sspo-2"}

    typo = sspo("report", *runs, "--metric", "reward/meen")
    assert typo.returncode == 2
    assert typo.stderr.startswith("sspo: metric reward/meen: no run has it; near it are reward/mean")
    taken = sspo("report", *runs, "--name", "grpo-sspo-2")
    assert (taken.returncode, taken.stdout) == (2, "")
    assert "outputs/report/grpo-sspo-2 exists and is never overwritten" in taken.stderr
    assert len(list(folder.parent.iterdir())) == 2


def test_what_is_no_run_is_refused_in_a_line_each(sspo: Sspo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = sspo("report", "empty", "nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "sspo: empty: is no run and no grid; runs are folders such as outputs/train/NAME, grids outputs/compare/NAME\n"
        "sspo: nowhere: no such folder; runs are folders such as outputs/train/NAME, grids outputs/compare/NAME\n"
    )
    assert not (tmp_path / "outputs").exists()
