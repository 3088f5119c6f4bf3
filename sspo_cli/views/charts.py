"""What is drawn of a run: charts of panels of lines, as data."""

from __future__ import annotations

from dataclasses import dataclass

from sspo_cli.metrics import Metric, metric
from sspo_cli.views.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION


@dataclass(frozen=True)
class Panel:
    """One pair of axes over steps: a metric's line, perhaps inside a band, perhaps beside a reference value.

    With `points` every value counts: few are marked, many are not smoothed.
    The band lies between the keys `low` and `high`, or `spread` below and above the line; `band` says what it is.
    """

    key: str
    colour: str
    low: str | None = None
    high: str | None = None
    spread: str | None = None
    band: str = ""
    reference: tuple[float, str] | None = None
    points: bool = False
    from_zero: bool = False

    @property
    def metric(self) -> Metric:
        return metric(self.key)

    @property
    def scale(self) -> float:
        """From the value that is kept to the one that is drawn."""
        return 100.0 if self.metric.is_share else 1.0


@dataclass(frozen=True)
class Chart:
    """One file plots/<name>.svg."""

    name: str
    title: str
    panels: tuple[Panel, ...]


CHARTS = (
    Chart(
        "learning_curve",
        "Learning curve",
        (
            Panel(
                "eval/accuracy",
                BLUE,
                low="eval/accuracy_low",
                high="eval/accuracy_high",
                band="95 % interval over problems",
                points=True,
            ),
            Panel("reward/mean", VERMILION),
        ),
    ),
    Chart(
        "policy",
        "How the policy moves",
        (
            Panel("policy/entropy", GREEN, from_zero=True),
            Panel("policy/kl", PURPLE, from_zero=True),
            Panel("update/effective_ratio", BLUE, reference=(1.0, "on-policy")),
            Panel("ratio/q50", VERMILION, low="ratio/q01", high="ratio/q99", band="1 % to 99 % of tokens"),
        ),
    ),
    Chart(
        "trust_region",
        "What the gate removes",
        (
            Panel("update/removed_pos", BLUE),
            Panel("update/removed_neg", VERMILION),
            Panel("weight/ess", GREEN),
            Panel("ratio/log_variance", PURPLE, from_zero=True),
        ),
    ),
    Chart(
        "response",
        "What the model writes",
        (
            Panel("response/length", BLUE),
            Panel("response/truncated", VERMILION, from_zero=True),
            Panel("group/dead", PURPLE, from_zero=True),
        ),
    ),
    Chart(
        "optimisation",
        "Optimisation",
        (
            Panel("grad/norm", ORANGE, from_zero=True),
            Panel("loss", PURPLE),
            Panel("weight/mean", GREEN, spread="weight/std", band="one standard deviation"),
        ),
    ),
)
