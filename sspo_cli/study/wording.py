"""Values of a metric, numbers of things and lists, as sentences and tables write them."""

from __future__ import annotations

from collections.abc import Sequence

from sspo_cli.metrics import metric as known_as


def is_share(metric: str) -> bool:
    """Whether it lies between 0 and 1 and is written in percent."""
    return known_as(metric).is_share


def bare(value: float, metric: str, sign: str = "") -> str:
    """A value without its unit; with sign "+" the sign of a positive one too."""
    return f"{100 * value:{sign}z.1f}" if is_share(metric) else f"{value:{sign}z.4g}"


def written(value: float, metric: str) -> str:
    """A value of the metric: 81.3 %, or four digits."""
    return f"{bare(value, metric)} %" if is_share(metric) else bare(value, metric)


def written_range(low: float, high: float, metric: str) -> str:
    return f"{bare(low, metric)} to {written(high, metric)}"


def written_difference(value: float, metric: str, sign: str = "") -> str:
    """A difference between two values: 2.1 points, or four digits."""
    return f"{bare(value, metric, sign)} points" if is_share(metric) else bare(value, metric, sign)


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """a; a and b; a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
