"""Sweeps: ranking, the effect of each key, maps, parallel coordinates, the off-policy study."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sspo_cli.analysis.grid.cells import Grid
from sspo_cli.analysis.grid.figures.drawing import inside, spread
from sspo_cli.analysis.grid.figures.landscape import plot_landscape
from sspo_cli.analysis.grid.figures.offpolicy import plot_offpolicy
from sspo_cli.analysis.grid.results import read_results, write_results
from sspo_cli.analysis.grid.study import places
from sspo_cli.analysis.grid.tables import results_table
from tests.analysis.grid.folders import Axes, make_grid

pytestmark = pytest.mark.slow


TAU, LR, UPDATES, STALENESS = "objective.gate.tau_pos", "optim.lr", "batch.minibatches", "rollout.staleness"


def flat(value: float) -> list[float]:
    return [0.1, value]


def texts(svg: Path) -> list[str]:
    return re.findall(r">([^<>]+)</text>", svg.read_text())


def heights(svg: Path, line: str) -> list[float]:
    """The vertical places of the points of a line, upwards."""
    found = re.search(rf'<g id="{line}">\s*<path d="([^"]*)"', svg.read_text())
    assert found is not None, line
    return [-float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", found[1])]


def test_two_keys_are_ranked_mapped_and_the_best_is_a_command(tmp_path: Path) -> None:
    score = {(2, 1e-5): 0.25, (2, 1e-4): 0.5, (10, 1e-5): 0.75, (10, 1e-4): 0.375}
    axes: Axes = {TAU: [2, 10], LR: [1e-5, 1e-4], "seed": [0, 1]}
    grid = make_grid(tmp_path / "g", axes, lambda point, seed: flat(score[point[TAU], point[LR]]), kind="sweep")
    summary = write_results(grid)
    table = results_table(summary)
    assert [[entry.text for entry in row[:4]] for row in table.rows] == [
        ["10", "1e-05", "2", "75.0"],
        ["2", "0.0001", "2", "50.0"],
        ["10", "0.0001", "2", "37.5"],
        ["2", "1e-05", "2", "25.0"],
    ]
    assert summary["best"] == "tau_pos=10, lr=1e-05"
    assert summary["best_command"] == f"sspo train {TAU}=10 {LR}=1e-05 preset=smoke"
    assert summary["best_command"] in (grid / "report.html").read_text()
    assert set(texts(grid / "plots/heat_map.svg")) >= {"75.0", "50.0", "37.5", "25.0", LR, TAU}
    assert not (grid / "plots/parallel.svg").exists()
    effect = heights(grid / "plots/effects.svg", f"effect {TAU}")
    other = heights(grid / "plots/effects.svg", f"effect {LR}")
    # Means over the other key: 0.375 and 0.5625 for tau; 0.5 and 0.4375 for the learning rate, on one common axis.
    assert (effect[1] - effect[0]) / (other[1] - other[0]) == pytest.approx(0.1875 / -0.0625, rel=0.01)


def test_a_pair_without_a_done_cell_stays_blank_in_the_map(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 10], LR: [1e-5, 1e-4], "seed": [0]}
    folder = make_grid(tmp_path / "g", axes, lambda point, seed: flat(0.5), kind="sweep")
    (folder / "cells/2-1e-05/seed_0/STATUS").write_text("failed: RuntimeError: no\n")
    grid, _, _ = read_results(folder)
    plot_landscape(grid)
    assert texts(folder / "plots/heat_map.svg").count("none done") == 1


def test_more_keys_have_a_line_for_every_point(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 10], LR: [1e-5, 1e-4], UPDATES: [1, 4], "seed": [0]}
    score = lambda point, seed: flat(0.1 + 0.05 * point[TAU] + 0.1 * point[UPDATES])  # noqa: E731
    grid, _, _ = read_results(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    names = [file.stem for file in plot_landscape(grid)]
    assert names == ["effects", "parallel"]
    lines = {place: heights(grid.folder / "plots/parallel.svg", f"point {place}") for place in range(8)}
    best = max(lines.values(), key=lambda line: line[-1])
    assert best[0] == best[2] == max(line[0] for line in lines.values())


def test_one_key_is_a_line_in_its_band(tmp_path: Path) -> None:
    axes: Axes = {TAU: [2, 5, 10], "seed": [0, 1, 2]}
    score = lambda point, seed: flat(0.3 + 0.04 * point[TAU] + 0.05 * (seed - 1))  # noqa: E731
    grid, _, _ = read_results(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    (file,) = plot_landscape(grid)
    rise = np.diff(heights(file, f"effect {TAU}"))
    assert rise[1] / rise[0] == pytest.approx(5 / 3, rel=0.1)
    assert "eval/accuracy, %; shaded: 95 % over seeds" in texts(file)


def study(tmp_path: Path) -> tuple[Grid, dict[str, Any]]:
    """sspo loses 2 points with every doubling of the updates, grpo 8; staleness costs grpo alone."""
    axes: Axes = {"objective": ["sspo", "grpo"], UPDATES: [1, 4], STALENESS: [0, 2], "seed": [0, 1, 2]}

    def score(point: dict[str, Any], seed: int) -> list[float]:
        price = {"sspo": 1 / 48, "grpo": 4 / 48}[point["objective"]]
        stale = point[STALENESS] / 48 if point["objective"] == "grpo" else 0
        return flat(0.75 - price * np.log2(point[UPDATES]) - stale + (seed - 1) / 48)

    grid, _, summary = read_results(make_grid(tmp_path / "g", axes, score, kind="sweep"))
    return grid, summary


def test_the_off_policy_study_has_a_line_for_every_objective(tmp_path: Path) -> None:
    grid, summary = study(tmp_path)
    assert {(place.updates, place.staleness) for place in places(grid)} == {(1, 0), (1, 2), (4, 0), (4, 2)}
    (file,) = plot_offpolicy(grid, summary)
    fall = {name: np.diff(heights(file, f"off-policy mean updates {name} solid"))[0] for name in ("sspo", "grpo")}
    assert fall["grpo"] / fall["sspo"] == pytest.approx(4, rel=0.01)
    assert np.diff(heights(file, "off-policy mean staleness sspo solid"))[0] == pytest.approx(0)
    assert "Difference from grpo" in texts(file)


def test_what_each_objective_loses_off_policy_comes_first(tmp_path: Path) -> None:
    _, summary = study(tmp_path)
    lost = {(item["axis"], item["objective"]): round(48 * item["difference"]) for item in summary["off_policy"]}
    assert lost == {
        ("updates", "sspo"): -2,
        ("updates", "grpo"): -8,
        ("staleness", "sspo"): 0,
        ("staleness", "grpo"): -2,
    }
    first, second = summary["words"][:2]
    assert first.startswith("From 1 to 4 updates per rollout, eval/accuracy changes: sspo by -4.2 points (")
    assert " and grpo by -16.7 points (" in first
    assert second.startswith("From 0 to 2 rollouts between sampling and learning")


def test_contrasts_compare_objectives_at_the_same_setting(tmp_path: Path) -> None:
    _, summary = study(tmp_path)
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
    summary = read_results(grid)[2]
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
    _, _, summary = read_results(make_grid(tmp_path / "g", axes, curve, kind="sweep"))
    assert [item["name"] for item in summary["over_tasks"]] == ["grpo", "sspo"]
    assert summary["over_tasks"][0]["iqm"] == pytest.approx(np.mean([0.25, 0.25 + 1 / 12, 0.75 - 1 / 12, 0.75]))


def test_labels_move_apart_and_stay_inside() -> None:
    moved = spread(np.array([10.0, 11.0, 12.0, 50.0]), gap=10)
    assert np.diff(moved).min() == pytest.approx(10)
    assert (moved[1], moved[3]) == (11, 50)
    assert inside(np.array([-5.0, 5.0, 15.0]), bottom=0, top=40).tolist() == [0, 10, 20]
    assert inside(np.array([30.0, 40.0, 50.0]), bottom=0, top=40).tolist() == [20, 30, 40]
