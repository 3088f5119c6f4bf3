"""The catalogue of metrics knows all that runs write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspo_cli.metrics import METRICS, metric

REFERENCE = Path(__file__).parent / "reference" / "outputs"


def test_every_metric_that_a_run_writes_is_in_the_catalogue() -> None:
    names = {
        name for file in REFERENCE.rglob("metrics.jsonl.json") for row in json.loads(file.read_text()) for name in row
    }
    assert len(names) > 40
    assert {name for name in names - {"step"} if not metric(name).meaning} == set()


@pytest.mark.parametrize(
    ("name", "label", "better"),
    [
        ("eval/pass@16", "pass@16 on held-out problems", "higher"),
        ("eval/accuracy_low", "accuracy on held-out problems, lower end", None),
        ("eval/pass@2_high", "pass@2 on held-out problems, upper end", None),
        ("reward/format", "mean of the reward part format", "higher"),
        ("reward/mean", "mean reward in training", "higher"),
        ("time/rollout_s", "time of rollout", "lower"),
        ("shaping/kl", "taken from the reward for kl", None),
        ("mine/of_an_objective", "mine/of_an_objective", None),
        ("eval/pass@", "eval/pass@", None),
    ],
)
def test_a_name_is_found_by_its_pattern(name: str, label: str, better: str | None) -> None:
    assert (metric(name).name, metric(name).label, metric(name).better) == (name, label, better)


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("eval/accuracy", [0.1, 0.5, 0.3], 0.5),
        ("reward/unscored", [0.5, 0.0, 0.25], 0.0),
        ("rollout/logp_gap_max", [1e-6, 3e-3], 1e-6),
        ("memory/peak_gib", [2.0, 1.0], 1.0),
        ("policy/kl", [0.1, 0.2], None),
        ("eval/accuracy_low", [0.1, 0.2], None),
        ("response/length", [3.0, 9.0], None),
    ],
)
def test_the_best_value_is_the_better_end_and_none_without_one(
    name: str, values: list[float], best: float | None
) -> None:
    assert metric(name).best(values) == best


def test_names_are_unique_and_told_in_sentences() -> None:
    assert len({item.name for item in METRICS}) == len(METRICS)
    for item in METRICS:
        assert item.meaning.endswith(".") and item.meaning[0].isupper() | item.meaning[0].isdigit() | (
            item.meaning.startswith(("update/", "(sum"))
        ), item.name
        assert item.written(0.25) and item.label
