"""Sweeps: ranking, the metric over every key, the off-policy study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspo_cli.study.compare import off_policy_place
from sspo_cli.study.read import read_study, write_results
from sspo_cli.study.results import Study
from sspo_cli.views.figures.keys import plot_keys
from sspo_cli.views.figures.lines import inside, spread
from sspo_cli.views.study_page import write_report
from sspo_cli.views.study_tables import results_table
from tests.study.folders import Axes, make_grid

pytestmark = pytest.mark.slow


TAU, LR, UPDATES, STALENESS = "objective.gate.tau_pos", "optim.lr", "batch.minibatches", "rollout.staleness"


def flat(value: float) -> list[float]:
    return [0.1, value]


def texts(svg: Path) -> list[str]:
    return re.findall(r">([^<>]+)</text>", svg.read_text().replace("\N{NO-BREAK SPACE}", " "))


def heights(svg: Path, line: str) -> list[float]:
    """The vertical places of the points of a line, upwards."""
    found = re.search(rf'<g id="{line}">\s*<path d="([^"]*)"', svg.read_text())
    assert found is not None, line
    return [-float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", found[1])]


def test_two_keys_are_ranked_drawn_and_the_best_is_a_command(tmp_path: Path) -> None:
    score = {(2, 1e-5): 0.25, (2, 1e-4): 0.5, (10, 1e-5): 0.75, (10, 1e-4): 0.375}
    axes: Axes = {TAU: [2, 10], LR: [1e-5, 1e-4], "seed": [0, 1]}
    grid = make_grid(tmp_path / "g", axes, lambda point, seed: flat(score[point[TAU], point[LR]]), kind="sweep")
    study = write_results(grid)
    write_report(study)
    table = results_table(study)
    assert [[entry.text for entry in row[:4]] for row in table.rows] == [
        ["10", "1e-05", "2", "75.0"],
        ["2", "0.0001", "2", "50.0"],
        ["10", "0.0001", "2", "37.5"],
        ["2", "1e-05", "2", "25.0"],
    ]
    assert study.best == "tau_pos=10, lr=1e-05"
    assert study.best_command == f"sspo train {TAU}=10 {LR}=1e-05 preset=smoke"
    assert study.best_command in (grid / "report.html").read_text()
    drawn = grid / "plots/by_key.svg"
    assert set(texts(drawn)) >= {"lr=1e-05", "lr=0.0001", "tau_pos=2", "tau_pos=10", LR, TAU}
    rise = {rate: np.diff(heights(drawn, f"metric {TAU} lr={rate} solid"))[0] for rate in ("1e-05", "0.0001")}
    assert rise["1e-05"] / rise["0.0001"] == pytest.approx(0.5 / -0.125, rel=0.01)
    across = np.diff(heights(drawn, f"metric {LR} tau_pos=2 solid"))[0]
    assert across / rise["1e-05"] == pytest.approx(0.25 / 0.5, rel=0.01), "both panels have one scale"


def test_a_point_without_a_done_cell_leaves_a_gap(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 5, 10], LR: [1e-5, 1e-4], "seed": [0]}
    folder = make_grid(tmp_path / "g", axes, lambda point, seed: flat(0.5), kind="sweep")
    (folder / "cells/5-1e-05/seed_0/STATUS").write_text("failed: RuntimeError: no\n")
    plot_keys(read_study(folder))
    lines = {
        rate: heights(folder / "plots/by_key.svg", f"metric {TAU} lr={rate} solid") for rate in ("1e-05", "0.0001")
    }
    assert {rate: len(line) for rate, line in lines.items()} == {"1e-05": 2, "0.0001": 3}


def test_of_more_keys_each_line_is_a_mean_over_the_others(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 10], LR: [1e-5, 1e-4], UPDATES: [1, 4], "seed": [0]}
    score = lambda point, seed: flat((4 + 2 * point[TAU] + 4 * (point[UPDATES] == 4)) / 48)  # noqa: E731
    study = read_study(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    plot_keys(study)
    drawn = study.grid.folder / "plots/by_key.svg"
    rise = {key: np.diff(heights(drawn, f"metric {key} solid"))[0] for key in (TAU, LR, UPDATES)}
    assert rise[TAU] / rise[UPDATES] == pytest.approx(4, rel=0.05) and rise[LR] == pytest.approx(0)
    assert "eval/accuracy, %; dots: each point" in texts(drawn)


def test_one_key_is_a_line_in_its_band(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 5, 10], "seed": [0, 1, 2]}
    score = lambda point, seed: flat(0.3 + 0.04 * point[TAU] + 0.05 * (seed - 1))  # noqa: E731
    study = read_study(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    plot_keys(study)
    drawn = study.grid.folder / "plots/by_key.svg"
    rise = np.diff(heights(drawn, f"metric {TAU} solid"))
    assert rise[1] / rise[0] == pytest.approx(5 / 3, rel=0.1)
    assert "eval/accuracy, %; shaded: 95 % interval" in texts(drawn)


def test_words_are_not_joined_by_a_line(tmp_path: Path) -> None:
    axes: Axes = {"objective/gate": ["erf", "arctan"], "seed": [0, 1, 2]}
    score = lambda point, seed: flat(0.3 + 0.1 * (point["objective/gate"] == "erf") + 0.05 * (seed - 1))  # noqa: E731
    study = read_study(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    plot_keys(study)
    drawn = (study.grid.folder / "plots/by_key.svg").read_text()
    line = re.search(r'<g id="metric objective/gate solid">(.*?)</g>\s*</g>', drawn, flags=re.DOTALL)
    assert line is not None and line[1].count("<use ") == 2
    assert "stroke-width: 1.9" not in line[1]


def off_policy_study(tmp_path: Path) -> Study:
    """sspo loses 1 answer of 48 with every doubling of the updates, grpo 4; staleness costs grpo alone."""
    axes: Axes = {"objective": ["sspo", "grpo"], UPDATES: [1, 4], STALENESS: [0, 2], "seed": [0, 1, 2]}

    def score(point: dict[str, Any], seed: int) -> list[float]:
        price = {"sspo": 1 / 48, "grpo": 4 / 48}[point["objective"]]
        stale = point[STALENESS] / 48 if point["objective"] == "grpo" else 0
        return flat(0.75 - price * np.log2(point[UPDATES]) - stale + (seed - 1) / 48)

    return read_study(make_grid(tmp_path / "g", axes, score, kind="sweep"))


def test_the_off_policy_study_has_a_line_for_every_objective(tmp_path: Path) -> None:
    study = off_policy_study(tmp_path)
    places = [tuple(off_policy_place(study.grid, point).values()) for point in study.grid.points]
    assert set(places) == {(1, 0), (1, 2), (4, 0), (4, 2)}
    plot_keys(study)
    file = study.grid.folder / "plots/by_key.svg"
    fall = {name: np.diff(heights(file, f"metric {UPDATES} {name} solid"))[0] for name in ("sspo", "grpo")}
    assert fall["grpo"] / fall["sspo"] == pytest.approx(4, rel=0.01)
    assert np.diff(heights(file, f"metric {STALENESS} sspo solid"))[0] == pytest.approx(0)
    gain = np.diff(heights(file, f"difference {UPDATES} sspo solid"))[0]
    assert gain > 0
    assert "Difference from grpo" in texts(file)
    assert "eval/accuracy, %; shaded: 95 % interval; dashed: staleness=2" in " ".join(texts(file))


def test_what_each_objective_loses_off_policy_comes_first(tmp_path: Path) -> None:
    summary = off_policy_study(tmp_path).summary()
    lost = {(item["axis"], item["objective"]): round(48 * item["difference"]) for item in summary["off_policy"]}
    assert lost == {
        ("updates", "sspo"): -2,
        ("updates", "grpo"): -8,
        ("staleness", "sspo"): 0,
        ("staleness", "grpo"): -2,
    }
    first, second = summary["words"][:2]
    assert first.startswith("From 1 to 4 updates per rollout, held-out accuracy changes: sspo by -4.2 points (")
    assert " and grpo by -16.7 points (" in first
    assert second.startswith("From 0 to 2 rollouts between sampling and learning")


def test_contrasts_compare_objectives_at_the_same_setting(tmp_path: Path) -> None:
    summary = off_policy_study(tmp_path).summary()
    found = {(item["point"][UPDATES], item["point"][STALENESS]): item for item in summary["contrasts"]}
    assert {item["point"]["objective"] for item in found.values()} == {"sspo"}
    assert {place: round(48 * item["difference"]) for place, item in found.items()} == {
        (1, 0): 0, (1, 2): 2, (4, 0): 6, (4, 2): 8,
    }  # fmt: skip
    assert any(
        line.startswith("Each objective against grpo at the same setting, 4 pairs ") for line in summary["words"]
    )
    assert all(item["p"] == 0.25 and item["p_holm"] == 1.0 for place, item in found.items() if place != (1, 0))


def test_a_compare_that_may_differ_in_more_pairs_objectives_at_the_same_setting(tmp_path: Path) -> None:
    axes: Axes = {"objective": ["grpo", "sspo"], LR: [1e-5, 1e-4], "seed": [0, 1, 2]}
    score = {("grpo", 1e-5): 0.25, ("grpo", 1e-4): 0.5, ("sspo", 1e-5): 0.5, ("sspo", 1e-4): 0.625}
    grid = make_grid(tmp_path / "g", axes, lambda point, seed: flat(score[point["objective"], point[LR]]))
    content = json.loads((grid / "grid.json").read_text())
    (grid / "grid.json").write_text(json.dumps(content | {"allowed": [LR]}))
    summary = read_study(grid).summary()
    assert [(item["name"], item["against"], item["difference"]) for item in summary["comparisons"]] == [
        ("sspo, lr=1e-05", "grpo, lr=1e-05", 0.25),
        ("sspo, lr=0.0001", "grpo, lr=0.0001", 0.125),
    ]
    assert summary["contrasts"] == []
    assert summary["words"][-1].startswith("The cells were allowed to differ in optim.lr")


def test_datasets_as_an_axis_give_the_iqm(tmp_path: Path) -> None:
    axes: Axes = {"objective": ["grpo", "sspo"], "dataset": ["addition", "addition_hard"], "seed": [0, 1, 2]}
    score = {"addition": 0.75, "addition_hard": 0.25}
    curve = lambda point, seed: flat(score[point["dataset"]] + (seed - 1) / 12)  # noqa: E731
    summary = read_study(make_grid(tmp_path / "g", axes, curve, kind="sweep")).summary()
    assert [item["name"] for item in summary["over_tasks"]] == ["grpo", "sspo"]
    assert summary["over_tasks"][0]["iqm"] == pytest.approx(np.mean([0.25, 0.25 + 1 / 12, 0.75 - 1 / 12, 0.75]))


def test_labels_move_apart_and_stay_inside() -> None:
    moved = spread(np.array([10.0, 11.0, 12.0, 50.0]), gap=10)
    assert np.diff(moved).min() == pytest.approx(10)
    assert (moved[1], moved[3]) == (11, 50)
    assert inside(np.array([-5.0, 5.0, 15.0]), bottom=0, top=40).tolist() == [0, 10, 20]
    assert inside(np.array([30.0, 40.0, 50.0]), bottom=0, top=40).tolist() == [20, 30, 40]
