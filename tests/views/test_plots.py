from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.views.plots import plot_run

pytestmark = pytest.mark.slow


TITLES = {
    "learning_curve": ["Held-out accuracy", "Mean reward"],
    "policy": ["Entropy", "KL from the sampling policy", "Effective update ratio", "Token probability ratio"],
    "trust_region": [
        "Gradient removed, positive advantage",
        "Gradient removed, negative advantage",
        "Effective sample size",
        "Variance within responses",
    ],
    "response": ["Response length", "Responses cut at the limit", "Groups with equal rewards"],
    "optimisation": ["Gradient norm", "Loss", "Sequence weight"],
}


def rows(steps: int = 8) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = [
        {"step": 0, "eval/accuracy": 0.4, "eval/accuracy_low": 0.3, "eval/accuracy_high": 0.5}
    ]
    for step in range(1, steps + 1):
        table.append(
            {
                "step": step,
                "reward/mean": 0.4 + 0.3 * step / steps,
                "policy/entropy": 0.5 - 0.2 * step / steps,
                "policy/kl": 0.001,
                "update/effective_ratio": 0.97,
                "ratio/q01": 0.8,
                "ratio/q50": 1.0,
                "ratio/q99": 1.2,
                "response/length": 15.0 + step,
                "response/truncated": 0.01,
                "grad/norm": 0.5 + 0.1 * (step % 3),
                "loss": -0.02,
                "weight/mean": 1.0,
                "weight/std": 0.1,
                "weight/ess": 0.99,
                "update/removed_pos": 0.02,
                "update/removed_neg": 0.03,
                "ratio/log_variance": 0.01,
                "group/dead": 0.25,
            }
        )
    table[-1] |= {"eval/accuracy": 0.8, "eval/accuracy_low": 0.7, "eval/accuracy_high": 0.875}
    return table


def drawn(folder: Path, table: list[dict[str, Any]], tail: str = "") -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in table) + tail
    (folder / "metrics.jsonl").write_text(text)
    return {path.stem: path.read_text() for path in plot_run(folder)}


def heights(svg: str, key: str) -> list[float]:
    """The vertical places of the points of the line of metric `key`, in the SVG's downward units."""
    group = re.search(rf'<g id="{key}">\s*<path d="([^"]*)"', svg)
    assert group is not None
    return [float(y) for _, y in re.findall(r"[ML] (\S+) (\S+)", group[1])]


def test_every_chart_has_its_titles_and_last_values(tmp_path: Path) -> None:
    charts = drawn(tmp_path, rows())
    assert list(charts) == list(TITLES)
    for name, titles in TITLES.items():
        assert (tmp_path / "plots" / f"{name}.svg").is_file()
        for title in titles:
            assert f">{title}</text>" in charts[name]
    assert ">80.0%</text>" in charts["learning_curve"]
    assert ">40.0%</text>" in charts["learning_curve"]
    assert ">0.700</text>" in charts["learning_curve"]
    assert ">23.0</text>" in charts["response"]


def test_a_line_has_the_proportions_of_its_metric(tmp_path: Path) -> None:
    table = rows(4)
    for row, value in zip(table[1:], (1.0, 2.0, 4.0, 3.0), strict=True):
        row["response/length"] = value
    y = heights(drawn(tmp_path, table)["response"], "response/length")
    assert len(y) == 4
    unit = y[0] - y[1]
    assert unit > 0
    assert [(y[0] - place) / unit for place in y] == pytest.approx([0, 1, 3, 2], abs=1e-3)


def test_same_rows_give_the_same_bytes_and_a_changed_value_changes_its_chart_alone(tmp_path: Path) -> None:
    charts = drawn(tmp_path / "a", rows())
    assert drawn(tmp_path / "b", rows()) == charts
    changed = rows()
    changed[4]["grad/norm"] += 0.3
    again = drawn(tmp_path / "a", changed)
    assert [name for name in charts if charts[name] != again[name]] == ["optimisation"]


def test_the_interval_of_the_accuracy_is_drawn(tmp_path: Path) -> None:
    wider = rows()
    wider[0]["eval/accuracy_low"] = 0.35
    charts = drawn(tmp_path / "a", rows())
    assert ">shaded: 95 % interval over problems</text>" in charts["learning_curve"]
    assert drawn(tmp_path / "b", wider)["learning_curve"] != charts["learning_curve"]
    bare = [{key: value for key, value in row.items() if "_low" not in key} for row in rows()]
    assert "shaded" not in drawn(tmp_path / "c", bare)["learning_curve"]


def test_many_steps_are_smoothed_but_evaluations_never(tmp_path: Path) -> None:
    table = rows(200)
    for row in table:
        row["eval/accuracy"] = 0.4 + 0.2 * (row["step"] % 2)
    chart = drawn(tmp_path, table)["learning_curve"]
    accuracy = heights(chart, "eval/accuracy")
    assert len(accuracy) == 201
    assert len(set(accuracy)) == 2
    assert "reward per response, bold: mean of 5 points" in chart


def test_charts_and_panels_without_data_are_not_drawn(tmp_path: Path) -> None:
    assert drawn(tmp_path / "a", []) == {}
    charts = drawn(tmp_path / "b", [{"step": 0, "eval/accuracy": 0.5, "loss": None, "grad/norm": float("nan")}])
    assert list(charts) == ["learning_curve"]
    assert "Mean reward" not in charts["learning_curve"]


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    assert drawn(tmp_path, rows(), tail='{"step": 9, "rew') == drawn(tmp_path, rows())


def test_drawing_imports_neither_torch_nor_pyplot() -> None:
    program = "import sys, sspo_cli.views.plots; print({'torch', 'matplotlib.pyplot'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "set()\n"
