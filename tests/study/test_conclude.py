"""The sentences say what the figures allow, and no more."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from sspo_cli.study.conclude import conclusions
from sspo_cli.study.next import next_commands
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
    assert said.startswith(
        "No verdict with 2 seeds: the difference from grpo is +60.4 points for sspo (24 held-out problems)."
        " 3 seeds are the fewest"
    )
    assert "ahead" not in said and "p =" not in said


def test_what_cannot_be_told_apart_says_how_many_seeds_it_takes(tmp_path: Path) -> None:
    said = words(tmp_path / "g", ["grpo", "sspo"], 3, scattered({"grpo": 0.5, "sspo": 0.5}, 0.1))
    assert re.match(
        r"sspo and grpo are not separable in held-out accuracy: the difference is [+-]\d+\.\d points"
        r" \(95 % interval -\d+\.\d to \d+\.\d points, interval p = 0\.\d+; 3 seeds, 24 held-out problems\)\. ",
        said,
    )
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
    assert said.startswith(
        "Best of 3 points: sspo with held-out accuracy 59.4 % (2 seeds, 24 held-out problems); the next"
    )
    assert re.search(r"the next one, gmpo, differs from it by -\d+\.\d points, without a verdict\. The same runs", said)
    assert "the points are not separable" in said and "its value is too good" in said


def test_the_best_of_a_sweep_is_compared_with_the_next_one_as_in_a_compare(tmp_path: Path) -> None:
    """In plain words, with interval and p; and with equal means no point is called the best."""

    def answer(name: str, ends: dict[str, float], spread: float) -> str:
        axes: Axes = {"objective": list(ends), "seed": list(range(5))}
        return read_study(make_grid(tmp_path / name, axes, scattered(ends, spread), kind="sweep")).words[0]

    near = r"the next one, \S+, is not separable from it: the difference is -\d+\.\d points"
    found = r" \(95 % interval -?\d+\.\d to -?\d+\.\d points, interval p = \d\.\d+\)"
    assert re.search(near + found, answer("near", {"grpo": 0.5, "gmpo": 0.2, "sspo": 0.52}, 0.05))
    far = answer("far", {"grpo": 0.2, "sspo": 0.8}, 0.01)
    assert re.search(r"; the next one, grpo, is separable from it: the difference is -\d+\.\d points \(95 %", far)
    assert "eval/accuracy" not in far and far.startswith("Best of 2 points: sspo with held-out accuracy ")
    alike = words(tmp_path / "alike", ["grpo", "sspo"], 3, lambda point, seed: [0.1, 0.5], kind="sweep")
    assert re.match(r"Both points end at the same held-out accuracy, [\d.]+ % \(3 seeds, 24 held-out problems\)", alike)


def test_the_answer_says_what_every_test_finds_and_no_later_sentence_takes_it_back(tmp_path: Path) -> None:
    """One objective far from four alike: few seeds do not tell it by its interval, all objectives together do."""
    ends = {"grpo": 0.9, "gspo": 0.72, "gmpo": 0.9, "sapo": 0.9, "sspo": 0.9}
    wide = {"gspo": 0.06}

    def curve(point: dict[str, str], seed: int) -> list[float]:
        name = point["objective"]
        return [0.1, 0.3, ends[name] + wide.get(name, 0.0) * ((seed % 3) - 1)]

    axes: Axes = {"objective": list(ends), "seed": [0, 1, 2]}
    study = read_study(make_grid(tmp_path / "g", axes, curve))
    answer, *others = study.words
    assert study.any_difference_p is not None and study.any_difference_p < 0.05
    assert not any(item.verdict == "separable" for item in study.comparisons)
    assert "but not which of them (p = 0.0" in answer and "gspo (" in answer and "are not separable from" in answer
    assert not any("all alike" in sentence or "together" in sentence for sentence in others)


def test_the_next_command_has_the_seeds_that_the_sentences_ask_for(tmp_path: Path) -> None:
    def curve(point: dict[str, str], seed: int) -> list[float]:
        return [0.1, 0.5 + (0.08 * (-1) ** seed if point["objective"] == "sspo" else 0.0)]

    def asked(worth: float, seeds: int) -> tuple[int, int]:
        """The seeds that the sentences ask for, and those of the command."""
        axes: Axes = {"objective": ["grpo", "sspo"], "seed": list(range(seeds))}
        found = replace(read_study(make_grid(tmp_path / f"{worth}-{seeds}", axes, curve)), worth_seeing=worth)
        numbers = re.findall(r"(?:about|from) (\d+) seeds", " ".join(conclusions(found)))
        return max(map(int, numbers)), len(next_commands(found)[0].partition("seed=")[2].split(","))

    needed, typed = asked(0.2, 5)
    assert 5 < needed == typed < 10
    needed, typed = asked(0.14, 4)
    assert needed > 8 == typed, "not more than twice as many at once"


def test_lists_read_as_people_write_them() -> None:
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
