"""What --dry-run says a grid costs and can show is measured, or said to be unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.statistics.power import seeds_needed
from sspo_cli.study.cost import Cost, earlier, extrapolate, measured_spread, power_sentence, total_seconds
from sspo_cli.study.launcher import Launch
from tests.study.cells import finished_grid, plan_of

pytestmark = pytest.mark.slow


WORDS = ("objective=grpo,sspo", "seed=0,1,2")
ALONE = Launch([], 1, 0, 0)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_earlier_cells_of_the_same_size_tell_the_cost() -> None:
    finished_grid(*WORDS)
    cost = earlier(plan_of("objective=sapo,gspo", "seed=7", "optim.lr=1e-3"), ALONE)
    assert cost is not None and (cost.seconds, cost.tokens) == (80.0, 4000.0)
    assert cost.source.startswith("as 6 runs of this size took here")
    assert earlier(plan_of(*WORDS, "train.steps=41"), ALONE) is None
    assert earlier(plan_of(*WORDS), Launch([], 2, 1, 0)) is None, "a cell with one thread takes longer"


def test_a_step_that_was_taken_tells_the_cost_of_a_run() -> None:
    config = load_config(TrainConfig, [])  # 40 steps, an evaluation every 5 and one before
    rows: list[dict[str, Any]] = [
        {"step": 0},
        {"step": 1, "time/total_s": 3.0, "tokens/total": 1000},
        {"step": 2, "time/total_s": 3.0, "time/evaluation_s": 1.0, "tokens/total": 2000},
    ]
    cost = extrapolate(config, rows, wall_s=11.0)
    assert cost.seconds == pytest.approx(4.0 + 40 * 2.0 + 9 * 1.0) and cost.tokens == 40 * 1000
    half = extrapolate(load_config(TrainConfig, ["train.max_tokens=20000"]), rows, wall_s=11.0)
    assert half.seconds == pytest.approx(cost.seconds / 2) and half.tokens == 20000
    minute = extrapolate(load_config(TrainConfig, ["train.max_minutes=1"]), rows, wall_s=11.0)
    assert minute.seconds == pytest.approx(60.0)


def test_cells_that_run_together_take_as_long_as_the_rounds() -> None:
    cost = Cost(10.0, 1.0, "")
    assert total_seconds(cost, 15, 2) == 80.0
    assert total_seconds(cost, 15, 0) == 10.0


def test_without_an_earlier_compare_the_seeds_are_told_for_every_spread() -> None:
    words = power_sentence(plan_of(*WORDS, "compare.difference=0.04"))
    fewest, most = seeds_needed(0.04, 0.02), seeds_needed(0.04, 0.08)
    assert words == (
        f"Seeds needed to see a 4-point difference: {fewest} to {most}, depending on the spread between seeds, which is"
        " not known yet. You have 3."
    )
    reward = power_sentence(plan_of(*WORDS, "compare.metric=reward/mean", "compare.difference=0.25"))
    assert reward.startswith("Seeds needed to see a difference of 0.25: ")


def test_an_earlier_compare_says_how_many_seeds_it_takes() -> None:
    grid = finished_grid(*WORDS, grpo=0.5, sspo=0.6)
    for cell, accuracy in zip(grid.cells, [0.50, 0.52, 0.54, 0.60, 0.66, 0.60], strict=True):
        summary = cell.folder / "summary.json"
        content = yaml.safe_load(summary.read_text())
        content["eval/accuracy"]["last"] = accuracy
        summary.write_text(str(content).replace("'", '"'))
    spread = measured_spread(grid)
    assert spread is not None and spread.sd == pytest.approx(0.04) and spread.seeds == 3  # of 0.10, 0.14, 0.06
    words = power_sentence(grid)
    needed = seeds_needed(0.05, 0.04)
    assert words.startswith(f"Seeds needed to see a 5-point difference: {needed}, by the spread between the 3 seeds in")
    assert words.endswith("4.0 points). You have 3: too few.") and needed > 3
    assert power_sentence(plan_of(*WORDS, "compare.difference=0.5")).endswith("You have 3: enough.")
    assert measured_spread(plan_of(*WORDS, "dataset=addition_hard")) is None
