"""The sentences say what the figures allow, and no more."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sspo_cli.study.read import read_study
from sspo_cli.study.wording import listed
from tests.study.folders import Axes, Curve, make_grid, rising


def words(
    folder: Path, objectives: list[str], seeds: int, curve: Curve, kind: str = "compare", direction: str = "max"
) -> str:
    axes: Axes = {"objective": objectives, "seed": list(range(seeds))}
    grid = make_grid(folder, axes, curve, kind=kind, direction=direction)
    return " ".join(read_study(grid).words)


def scattered(ends: dict[str, float], spread: float) -> Curve:
    """Runs whose ends scatter around their objective's, each by itself."""

    def curve(point: dict[str, str], seed: int) -> list[float]:
        rng = np.random.default_rng([seed, sum(map(ord, point["objective"]))])
        return [0.1, 0.3, float(np.clip(ends[point["objective"]] + spread * rng.normal(), 0, 1))]

    return curve


def test_two_seeds_have_no_verdict(tmp_path: Path) -> None:
    said = words(tmp_path / "g", ["grpo", "sspo"], 2, rising({"grpo": 0.3, "sspo": 0.9}))
    assert said.startswith("No verdict with 2 seeds: against grpo, sspo +60.4 points. 3 seeds are the fewest")
    assert "ahead" not in said and "p =" not in said


def test_what_cannot_be_told_apart_says_how_many_seeds_it_takes(tmp_path: Path) -> None:
    said = words(tmp_path / "g", ["grpo", "sspo"], 3, scattered({"grpo": 0.5, "sspo": 0.5}, 0.1))
    assert said.startswith("sspo and grpo are not separable with 3 seeds: the difference may lie anywhere from -")
    assert "would be needed to see 2 points" in said or "raise eval.problems" in said
    assert "it cannot fall below 0.25; from 6 seeds on it can confirm a difference" in said


def test_a_large_difference_over_many_seeds_is_confirmed_by_both_tests(tmp_path: Path) -> None:
    said = words(tmp_path / "g", ["grpo", "sspo"], 8, scattered({"grpo": 0.4, "sspo": 0.8}, 0.05))
    assert said.startswith("sspo is ahead of grpo by ")
    assert "assume that seeds vary normally" not in said and "does not confirm" not in said


def test_with_direction_min_less_is_ahead(tmp_path: Path) -> None:
    curve = scattered({"grpo": 0.9, "sspo": 0.3}, 0.05)
    said = words(tmp_path / "g", ["grpo", "sspo"], 5, curve, direction="min")
    assert said.startswith("sspo is ahead of grpo by ")


def test_seeds_that_fell_are_named(tmp_path: Path) -> None:
    def curve(point: dict[str, str], seed: int) -> list[float]:
        return [0.1, 0.9, 0.2 if (point["objective"], seed) == ("grpo", 1) else 0.9]

    said = words(tmp_path / "g", ["grpo", "sspo"], 3, curve)
    assert "Seeds that lost half of what they had gained, or more: grpo (1 of 3)." in said


def test_the_best_of_a_sweep_is_said_to_flatter(tmp_path: Path) -> None:
    said = words(
        tmp_path / "g", ["grpo", "gmpo", "sspo"], 2, rising({"grpo": 0.3, "gmpo": 0.4, "sspo": 0.6}), kind="sweep"
    )
    assert said.startswith("Best of 3 points: sspo with eval/accuracy 59.4 % (mean of 2 seeds).")
    assert "the points are not separable" in said and "its value is too good" in said


def test_lists_read_as_people_write_them() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
