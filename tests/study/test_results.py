"""What write_results makes of a grid folder: figures that are right, cells that went wrong told, bytes that stay."""

from __future__ import annotations

import csv
import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sspo_cli.config.errors import ConfigError
from sspo_cli.runs.folder import set_status
from sspo_cli.study.read import read_study, write_results
from sspo_cli.study.results import Study
from sspo_cli.views.study_page import write_report
from sspo_cli.views.study_screen import print_results
from tests.study.folders import Axes, make_grid, rising

pytestmark = pytest.mark.slow


OBJECTIVES = {"grpo": 0.5, "gmpo": 0.52, "sspo": 0.8}
AXES: Axes = {"objective": list(OBJECTIVES), "seed": [0, 1, 2]}
FIGURES = [
    "effective_ratio", "entropy", "forest", "gradient_norm", "learning_curve", "response_length", "reward",
    "weight_variance",
]  # fmt: skip


def report(folder: Path) -> Study:
    study = write_results(folder)
    write_report(study)
    return study


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_grid(tmp_path_factory.mktemp("made") / "three", AXES, rising(OBJECTIVES))
    report(folder)
    return folder


@pytest.fixture
def grid(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(made, tmp_path / "three"))


def point(summary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in summary["points"] if item["name"] == name)


def comparison(summary: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in summary["comparisons"] if item["name"] == name)


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_figure_is_that_of_the_runs(made: Path) -> None:
    summary = json.loads((made / "summary.json").read_text())
    last = [
        json.loads((made / f"cells/sspo/seed_{seed}/metrics.jsonl").read_text().splitlines()[-1]) for seed in range(3)
    ]
    accuracy_S = np.array([row["eval/accuracy"] for row in last])
    sspo, grpo = point(summary, "sspo"), point(summary, "grpo")
    assert sspo["mean"] == pytest.approx(accuracy_S.mean())
    assert sspo["last"] == {str(seed): value for seed, value in enumerate(accuracy_S)}
    assert comparison(summary, "sspo")["difference"] == pytest.approx(sspo["mean"] - grpo["mean"])
    assert sspo["weight_variance"] == pytest.approx(0.01)
    assert sspo["tokens"] == 800
    assert (summary["problems"], summary["cells"], summary["status"]) == (24, {"done": 9}, "done")
    start = 5 / 48  # a tenth of 48 answers
    assert summary["threshold"] == pytest.approx(start + 0.75 * (sspo["mean"] - start))
    assert (grpo["steps_to_threshold"], grpo["reached_threshold"]) == (None, 0)
    assert (sspo["steps_to_threshold"], sspo["reached_threshold"]) == (pytest.approx((8 + 6 + 6) / 3), 3)


def test_results_csv_has_one_tidy_row_for_every_cell(made: Path) -> None:
    found = rows(made)
    assert [(row["cell"], row["objective"], row["seed"], row["state"]) for row in found[:2]] == [
        ("cells/grpo/seed_0", "grpo", "0", "done"), ("cells/grpo/seed_1", "grpo", "1", "done"),
    ]  # fmt: skip
    assert len(found) == 9
    assert {float(row["minutes"]) for row in found} == {1.0}
    metrics = [json.loads(line) for line in (made / "cells/gmpo/seed_2/metrics.jsonl").read_text().splitlines()]
    value = [row["eval/accuracy"] for row in metrics if "eval/accuracy" in row]
    assert float(found[5]["area"]) == pytest.approx(np.trapezoid(value, [0, 2, 4, 6, 8]) / 8)
    assert (float(found[5]["best"]), found[5]["collapsed"]) == (max(value), "false")


def test_every_figure_is_drawn_and_shown(made: Path) -> None:
    assert sorted(file.stem for file in (made / "plots").glob("*.svg")) == FIGURES
    page, text = (made / "report.html").read_text(), (made / "report.md").read_text()
    assert page.count("<svg ") == len(FIGURES)
    assert text.count("](plots/") == len(FIGURES)
    curves = (made / "plots/learning_curve.svg").read_text()
    for name in OBJECTIVES:
        assert f">{name}</text>" in curves
        assert f'id="learning_curve {name}"' in curves


def test_the_answer_comes_first_everywhere(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary = json.loads((made / "summary.json").read_text())
    answer = summary["words"][0]
    assert answer.startswith("sspo (+29.2 points, 95 % interval ") and answer.endswith(".")
    for words in (
        ") is ahead of grpo; gmpo (+2.1 points, 95 % interval ",
        "; held-out accuracy, 3 seeds, 24 held-out problems, p of the interval after Holm's correction for 2",
    ):
        assert words in answer
    page = html.unescape((made / "report.html").read_text())
    assert f"**{answer}**" in (made / "report.md").read_text()
    assert page.index(answer) < page.index("<table") < page.index("<svg")
    print_results(read_study(made))
    assert " ".join(capsys.readouterr().out.split()).startswith(answer)


def test_model_output_stays_text(made: Path) -> None:
    page = (made / "report.html").read_text()
    assert "&lt;b&gt;wrong&lt;/b&gt; &amp; step 8" in page
    assert "<b>" not in page


def test_nothing_in_the_summary_depends_on_the_clock(made: Path, tmp_path: Path) -> None:
    slower = make_grid(tmp_path / "slower", AXES, rising(OBJECTIVES), clock=7.0)
    report(slower)
    assert (slower / "summary.json").read_bytes() == (made / "summary.json").read_bytes()
    assert [row["minutes"] for row in rows(slower)] == ["7.0"] * 9


def test_the_same_cells_give_the_same_bytes(grid: Path) -> None:
    report(grid)  # the commands to type next name the folder
    names = ["summary.json", "results.csv", "report.md", "report.html", "plots/forest.svg"]
    before = {name: (grid / name).read_bytes() for name in names}
    (grid / "plots/of_an_earlier_report.svg").write_text("<svg/>")
    report(grid)
    assert {name: (grid / name).read_bytes() for name in names} == before
    assert not (grid / "plots/of_an_earlier_report.svg").exists()


def test_what_a_cell_warns_of_is_told_under_the_table(grid: Path) -> None:
    for seed in (0, 1):
        file = grid / f"cells/sspo/seed_{seed}/summary.json"
        file.write_text(
            json.dumps({"status": "done", "minutes": 1.0, "warnings": ["100% of the groups had equal rewards"]})
        )
    study = report(grid)
    summary = study.summary()
    expected = "2 cells of 9 warn; cells/sspo/seed_0: 100% of the groups had equal rewards."
    assert expected in summary["words"] and expected in (grid / "report.md").read_text()


def test_a_failed_cell_is_counted_told_and_in_no_mean(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = point(read_study(grid).summary(), "sspo")
    cell = grid / "cells/sspo/seed_2"
    set_status(cell, "failed: GuardStop: loss is nan")
    study = report(grid)
    summary = study.summary()
    after = point(summary, "sspo")
    assert (summary["status"], summary["cells"]) == ("failed", {"done": 8, "failed": 1})
    assert (after["seeds"], after["not_done"]) == ([0, 1], [2])
    assert after["mean"] == pytest.approx(np.mean([before["last"][seed] for seed in ("0", "1")]))
    assert after["low"] is None
    assert comparison(summary, "sspo")["seeds"] == [0, 1] and comparison(summary, "sspo")["p"] is None
    assert comparison(summary, "gmpo")["seeds"] == [0, 1, 2] and comparison(summary, "gmpo")["p_holm"] is not None
    assert summary["failures"] == [{"cell": "cells/sspo/seed_2", "state": "failed", "reason": "GuardStop: loss is nan"}]
    page = (grid / "report.html").read_text()
    assert "GuardStop: loss is nan" in page and "log.txt" in page and "2 of 3" in page
    print_results(study)
    line = f"failed: cells/sspo/seed_2: GuardStop: loss is nan (log: {cell / 'log.txt'})"
    assert line in capsys.readouterr().out.splitlines()
    assert any("Of 9 cells, 1 failed" in sentence for sentence in summary["words"])
    assert [row["state"] for row in rows(grid)].count("failed") == 1


@pytest.mark.parametrize(
    ("spoil", "state", "reason"),
    [
        (lambda cell: shutil.rmtree(cell), "not started", ""),
        (lambda cell: set_status(cell, "interrupted"), "interrupted", "step 2"),
        (lambda cell: set_status(cell, "running"), "died", "its process ended without an exit status"),
        (lambda cell: (cell / "metrics.jsonl").unlink(), "damaged", "done, but metrics.jsonl is missing or empty"),
        (lambda cell: (cell / "metrics.jsonl").write_text("no\n{}\n"), "damaged", "metrics.jsonl:1: not JSON"),
        (lambda cell: (cell / "config.yaml").write_text("- no\n"), "damaged", "config.yaml: not a mapping"),
        (lambda cell: (cell / "manifest.json").write_text("{"), "damaged", "Expecting property name"),
        (lambda cell: set_status(cell, "well"), "damaged", "STATUS says 'well'"),
        (lambda cell: (cell / "metrics.jsonl").write_text('{"step": 0}\n'), "damaged", "holds no eval/accuracy"),
    ],
)
def test_every_kind_of_broken_cell_is_told(
    grid: Path, spoil: Callable[[Path], object], state: str, reason: str
) -> None:
    spoil(grid / "cells/gmpo/seed_1")
    summary = read_study(grid).summary()
    assert summary["cells"] == {"done": 8, state: 1}
    (failure,) = summary["failures"]
    assert failure["state"] == state and reason in failure["reason"]
    assert point(summary, "gmpo")["seeds"] == [0, 2]


def test_a_torn_last_line_loses_that_line_alone(grid: Path) -> None:
    before = read_study(grid).summary()
    for name in ("metrics.jsonl", "eval.jsonl"):
        with (grid / "cells/grpo/seed_0" / name).open("a") as stream:
            stream.write('{"step": 10, "eval/acc')
    assert read_study(grid).summary() == before


def test_without_answers_the_seeds_alone_count(grid: Path) -> None:
    (grid / "cells/sspo/seed_0/eval.jsonl").unlink()
    found = point(read_study(grid).summary(), "sspo")
    low, high = stats.t.interval(0.95, 2, found["mean"], stats.sem(list(found["last"].values())))
    assert (found["low"], found["high"]) == pytest.approx((low, min(1.0, high)), abs=2e-3)


def test_nothing_done_is_said_and_reported(grid: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(grid / "cells")
    print_results(report(grid))
    assert capsys.readouterr().out.startswith("Nothing can be concluded: no cell is done.")
    assert "9 not started" in (grid / "report.html").read_text()


def test_a_metric_that_no_run_has_is_refused_with_its_neighbours(grid: Path) -> None:
    content = json.loads((grid / "grid.json").read_text())
    (grid / "grid.json").write_text(json.dumps(content | {"metric": "eval/acuracy"}))
    with pytest.raises(ConfigError) as error:
        read_study(grid)
    assert "metric eval/acuracy: no run has it; near it are eval/accuracy" in error.value.problems[0]


@pytest.mark.parametrize("text", ["", "[]", '{"cells": [{"folder": "a"}]}'])
def test_a_broken_grid_json_is_a_line(grid: Path, text: str) -> None:
    (grid / "grid.json").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_study(grid)
    assert len(error.value.problems) == 1 and "grid.json: " in error.value.problems[0]


def test_any_metric_and_either_direction(grid: Path) -> None:
    content = json.loads((grid / "grid.json").read_text())
    (grid / "grid.json").write_text(json.dumps(content | {"metric": "policy/entropy", "direction": "min"}))
    summary = read_study(grid).summary()
    assert "sspo" in summary["words"][0].split(" ahead of grpo")[0]
    assert point(summary, "sspo")["mean"] == pytest.approx(1 - 0.5 * 0.8, abs=0.02)
    assert summary["problems"] is None
