"""The screen of a study in real terminals and in a pipe: every column is there, no line is wider than the screen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sspo_cli.study.read import read_study
from sspo_cli.views.study_screen import print_results
from sspo_cli.views.study_tables import course_table, results_table
from tests.study.folders import Axes, make_grid, rising
from tests.views.terminal import COLOUR, CONTROL, in_terminal

pytestmark = pytest.mark.slow

SHOW = """
from pathlib import Path
from sspo_cli.study.read import read_study
from sspo_cli.views.study_screen import print_results
print_results(read_study(Path({folder!r})))
"""
COPIED = ("report: ", "  sspo ")  # whole lines, however long


@pytest.fixture(scope="module")
def compare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    axes: Axes = {"objective": ["grpo", "gmpo", "sspo"], "seed": [0, 1, 2]}
    return make_grid(tmp_path_factory.mktemp("c") / "three", axes, rising({"grpo": 0.5, "gmpo": 0.52, "sspo": 0.8}))


def piped(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    print_results(read_study(folder))
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_every_column_and_no_wider_line(columns: int, compare: Path, tmp_path: Path) -> None:
    status, output = in_terminal(SHOW.format(folder=str(compare)), columns, tmp_path, NO_COLOR="1")
    assert status == 0, output
    shown = [line.rstrip() for line in CONTROL.sub("", output).splitlines()]
    assert max(len(line) for line in shown if not line.startswith(COPIED)) <= columns
    assert not COLOUR.search(output) and "..." not in output and "…" not in output
    study = read_study(compare)
    for table in (results_table(study), course_table(study, with_minutes=False)):
        words = {word for title in table.columns for word in title.split()}
        assert words <= set(" ".join(shown).split())
        sspo = next(row for row in table.rows if row[0].text == "sspo")
        rows = " ".join(line for line in shown if line.startswith("sspo "))
        for entry in sspo:
            assert f" {entry.text} " in f" {rows} ", (entry.text, rows)


def test_a_pipe_gets_whole_tables_without_padding(compare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = piped(compare, capsys)
    shown = out.splitlines()
    assert [line for line in shown if line != line.rstrip()] == []
    heads = [re.split(r" {2,}", line) for line in shown if line.startswith("objective ")]
    assert heads == [
        [
            "objective", "seeds", "accuracy %", "95 % interval", "difference from grpo",
            "95 % interval of the difference", "p", "corrected p", "probability of improvement",
        ],
        [
            "objective", "mean over all steps", "steps to 62.0 %", "best", "lost after the best", "collapsed seeds",
            "entropy", "effective update ratio", "weight variance", "response length", "response tokens",
        ],
    ]  # fmt: skip
    assert all(len(set(titles)) == len(titles) for titles in heads)
    assert "Corrected p: after Holm's correction for 2 comparisons." in out
    assert "Steps to 62.0 %: the first step at or beyond it, 75% of the way" in out


def test_the_end_says_what_to_type_next(compare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """More problems where no number of seeds is enough, else more seeds; what failed comes first."""
    shown = piped(compare, capsys).splitlines()
    commands = shown[shown.index("try next:") + 1 :]
    assert commands == [
        "  sspo compare objective=grpo,gmpo,sspo seed=0,1,2 eval.problems=96",
        f"  sspo samples {compare}/cells/sspo/seed_0 --with {compare}/cells/grpo/seed_0",
        f"  sspo runs {compare}",
    ]
    (compare / "cells/gmpo/seed_1/STATUS").write_text("failed: out of memory\n")
    again = piped(compare, capsys).splitlines()
    (compare / "cells/gmpo/seed_1/STATUS").write_text("done\n")
    assert "  sspo compare objective=grpo,gmpo,sspo seed=0,1,2" in again, "the same command runs what failed"
    two: Axes = {"objective": ["grpo", "sspo"], "seed": [0, 1]}
    few = piped(make_grid(tmp_path / "two", two, rising({"grpo": 0.5, "sspo": 0.8})), capsys)
    assert "\n  sspo compare objective=grpo,sspo seed=0,1,2,3\n" in few


def test_a_sweeps_best_point_has_its_caveat_beside_it_and_new_seeds_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes: Axes = {"objective": ["grpo", "sspo"], "seed": [0, 1]}
    out = piped(make_grid(tmp_path / "g", axes, rising({"grpo": 0.3, "sspo": 0.6}), kind="sweep"), capsys)
    first = out.splitlines()[0]
    assert first.startswith("Best of 2 points: sspo with") and "its value is too good on average" in first
    assert "\n  sspo sweep objective=sspo preset=smoke seed=2,3,4\n" in out
    assert "corrected p" not in out and "Intervals and p take 3 seeds or more." in out


def test_datasets_are_not_ranked_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The better of one dataset stands below the worse of an easier one; no point is the best of all."""

    def curve(point: dict[str, object], seed: int) -> list[float]:
        easy = 0.5 if point["dataset"] == "addition" else 0.0
        return [0.1, easy + (0.3 if point["objective"] == "sspo" else 0.2) + 0.01 * seed]

    axes: Axes = {"objective": ["grpo", "sspo"], "dataset": ["addition_hard", "addition"], "seed": [0, 1, 2]}
    folder = make_grid(tmp_path / "g", axes, curve, kind="sweep")
    study, out = read_study(folder), piped(folder, capsys)
    assert out.startswith("Values of held-out accuracy on different datasets do not compare, so each dataset is ranked")
    assert "best on addition_hard: sspo with 30.6 %; on addition: sspo with 80.6 %" in out.splitlines()[0]
    assert (study.best, study.best_command, study.threshold) == (None, None, None)
    order = [(point.point["dataset"], point.point["objective"]) for point in study.ranked]
    hard, easy = "addition_hard", "addition"
    assert order == [(hard, "sspo"), (hard, "grpo"), (easy, "sspo"), (easy, "grpo")]
    assert "difference from best" not in out and "difference from grpo" in out, "objectives do compare on one dataset"
    assert "interquartile mean" in out
