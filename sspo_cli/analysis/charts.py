"""What is drawn of a run: charts of panels of lines, as data."""

from __future__ import annotations

from dataclasses import dataclass

from sspo_cli.analysis.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION


@dataclass(frozen=True)
class Panel:
    """One pair of axes over steps: a line, perhaps inside a band, perhaps beside a reference value.

    `form` is the template of the values written at the line. With `points` every value counts: few are marked, many are
    not smoothed.
    The band lies between the keys `low` and `high`, or `spread` below and above the line; `band` says what it is.
    """

    title: str
    unit: str
    key: str
    colour: str
    form: str
    scale: float = 1.0
    low: str | None = None
    high: str | None = None
    spread: str | None = None
    band: str = ""
    reference: tuple[float, str] | None = None
    points: bool = False
    from_zero: bool = False


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
                "Accuracy on held-out problems",
                "% of sampled responses",
                "eval/accuracy",
                BLUE,
                "{:.1f} %",
                scale=100,
                low="eval/accuracy_low",
                high="eval/accuracy_high",
                band="95 % interval over problems",
                points=True,
            ),
            Panel("Mean reward in training", "reward per response", "reward/mean", VERMILION, "{:.3f}"),
        ),
    ),
    Chart(
        "policy",
        "How the policy moves",
        (
            Panel("Entropy", "nats per token", "policy/entropy", GREEN, "{:.3f}", from_zero=True),
            Panel("KL from the sampling policy", "nats per token", "policy/kl", PURPLE, "{:.2g}", from_zero=True),
            Panel(
                "Effective update ratio",
                "mean token multiplier",
                "update/effective_ratio",
                BLUE,
                "{:.3f}",
                reference=(1.0, "on-policy"),
            ),
            Panel(
                "Token probability ratio",
                "current / sampling policy, median",
                "ratio/q50",
                VERMILION,
                "{:.3f}",
                low="ratio/q01",
                high="ratio/q99",
                band="1 % to 99 % of tokens",
            ),
        ),
    ),
    Chart(
        "trust_region",
        "What the gate removes",
        (
            Panel(
                "Gradient removed, positive advantage",
                "% of |A|-weighted gradient",
                "update/removed_pos",
                BLUE,
                "{:.2f} %",
                scale=100,
            ),
            Panel(
                "Gradient removed, negative advantage",
                "% of |A|-weighted gradient",
                "update/removed_neg",
                VERMILION,
                "{:.2f} %",
                scale=100,
            ),
            Panel("Effective sample size", "share of the responses, by weight", "weight/ess", GREEN, "{:.3f}"),
            Panel(
                "Variance within responses", "of the log-ratio", "ratio/log_variance", PURPLE, "{:.2g}", from_zero=True
            ),
        ),
    ),
    Chart(
        "response",
        "What the model writes",
        (
            Panel("Response length", "tokens", "response/length", BLUE, "{:.1f}"),
            Panel(
                "Responses cut at the limit",
                "% of responses",
                "response/truncated",
                VERMILION,
                "{:.1f} %",
                scale=100,
                from_zero=True,
            ),
            Panel(
                "Groups that tie",
                "% of prompts",
                "group/dead",
                PURPLE,
                "{:.1f} %",
                scale=100,
                from_zero=True,
            ),
        ),
    ),
    Chart(
        "optimisation",
        "Optimisation",
        (
            Panel("Gradient norm", "L2, over all parameters", "grad/norm", ORANGE, "{:.2g}", from_zero=True),
            Panel("Loss", "the objective, negated", "loss", PURPLE, "{:.2g}"),
            Panel(
                "Sequence weight",
                "mean over responses",
                "weight/mean",
                GREEN,
                "{:.3f}",
                spread="weight/std",
                band="one standard deviation",
            ),
        ),
    ),
)
