"""The catalogue of metrics knows all that runs write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspo_cli.metrics import METRICS, metric

REFERENCE = Path(__file__).parent / "reference" / "outputs"
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"


def test_every_metric_that_a_run_writes_is_in_the_catalogue() -> None:
    names = {
        name for file in REFERENCE.rglob("metrics.jsonl.json") for row in json.loads(file.read_text()) for name in row
    }
    assert len(names) > 40
    assert {name for name in names - {"step"} if not metric(name).meaning} == set()


@pytest.mark.parametrize(
    ("name", "label", "better"),
    [
        ("eval/pass@16", "held-out pass@16", "higher"),
        ("eval/accuracy_low", "held-out accuracy, lower end", None),
        ("eval/pass@2_high", "held-out pass@2, upper end", None),
        ("eval/accuracy/chain_sum", "held-out accuracy of chain_sum", "higher"),
        ("eval/accuracy/gsm8k_low", "held-out accuracy of gsm8k, lower end", None),
        ("reward/mean/mine.v2", "mean reward of mine.v2", "higher"),
        ("reward/format", "mean of the reward part format", "higher"),
        ("reward/mean", "mean reward", "higher"),
        ("time/rollout_s", "time of rollout", "lower"),
        ("shaping/kl", "added to the reward by kl", None),
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


def page() -> str:
    """docs/reference/metrics.md: `python -m tests.test_metrics` writes it."""
    rows = [
        f"| `{item.name}` | {item.unit} | {item.better or ''} | {item.meaning} |".replace("|A|", "\\|A\\|").replace(
            " || ", " \\|\\| "
        )
        for item in METRICS
    ]
    return "\n".join(
        [
            "# Metrics",
            "",
            "Every step writes one row to `metrics.jsonl`; a figure of updates is the mean over the step's updates."
            " `sspo show metric NAME` prints a line of this table. Figures of an evaluation have the ends of their 95 %"
            " interval beside them (`_low`, `_high`; [statistics](../evidence/statistics.md)). Shares are kept between"
            " 0 and 1. `better` is the end to reach for; without one, `summary.json` gives no best value.",
            "",
            "| metric | unit | better | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


def test_the_page_is_the_catalogue() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.test_metrics"


if __name__ == "__main__":
    PAGE.write_text(page())
