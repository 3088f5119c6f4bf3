"""The interval of an accuracy is the same wherever it is shown, and of an accuracy of 0 it is more than a point."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


NEVER_RIGHT = "eval.max_response_length=1"  # no room for an answer


def test_an_accuracy_of_0_has_one_interval_in_train_eval_runs_and_reports(sspo: Sspo, tmp_path: Path) -> None:
    trained = sspo("train", "preset=smoke", "eval.problems=20", "eval.samples=2", NEVER_RIGHT, "--name", "zero")
    assert trained.returncode == 0, trained.stderr
    folder = tmp_path / "outputs/train/zero"
    summary = json.loads((folder / "summary.json").read_text())
    highest = 1 - 0.025 ** (1 / 20)  # as of 20 trials that all fail, however many samples each has
    for name in ("eval/accuracy", "eval/pass@2"):
        ends = [summary[f"{name}{end}"]["last"] for end in ("_low", "", "_high")]
        assert ends == [0, 0, pytest.approx(highest)]
    assert summary["eval/length_low"]["last"] == summary["eval/length_high"]["last"] == 1

    cells = re.findall(r"<td[^>]*>(.*?)</td>", (folder / "report.html").read_text())
    named = 'Held-out accuracy <span class="dim">eval/accuracy</span>'
    place = next(place for place, cell in enumerate(cells) if cell.startswith(named))
    assert cells[place + 1 : place + 5] == ["0.0%", "0.0%", "0.0%", "0.0% to 16.8%"]
    assert "shaded: 95 % interval over problems" in (folder / "plots/learning_curve.svg").read_text()

    evaluated = sspo("eval", "outputs/train/zero", "--name", "again")
    assert evaluated.returncode == 0, evaluated.stderr
    lines = [line.split() for line in evaluated.stdout.splitlines()]
    assert ["accuracy", "0.0%", "0.0%", "to", "16.8%"] in lines
    assert ["pass@2", "0.0%", "0.0%", "to", "16.8%"] in lines
    again = json.loads((tmp_path / "outputs/eval/again/summary.json").read_text())
    assert (again["eval/accuracy_low"], again["eval/accuracy_high"]) == (0, summary["eval/accuracy_high"]["last"])

    listed = sspo("runs", "--where", "eval/accuracy=0", COLUMNS="140").stdout
    assert listed.count("0.0 to 16.8") == 2
    metrics = [run["metrics"] for run in json.loads(sspo("runs", "--json").stdout)]
    assert {found["eval/accuracy_high"] for found in metrics} == {again["eval/accuracy_high"]}
