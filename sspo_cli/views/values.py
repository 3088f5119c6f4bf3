"""Numbers as people read them: formatted values, durations, time left, sparklines."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sspo_cli.plural import count

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = ".:-=+*#@"
RECENT_STEPS = 20


# The metrics that displays show, with the usual width of their values.
SHOWN = {
    "reward/mean": 5,
    "eval/accuracy": 6,
    "policy/entropy": 5,
    "update/effective_ratio": 5,
    "response/length": 5,
    "throughput/rollout_tokens_per_s": 6,
    "grad/norm": 6,
}


def number(row: Mapping[str, Any], key: str) -> float | None:
    """The metric as a float, NaN and infinities included; None where it is missing or not a number."""
    try:
        return float(row[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def duration(seconds: float | None) -> str:
    """Minutes and seconds (1:05) or hours, minutes and seconds (2:01:05); --:-- where unknown."""
    if seconds is None or not math.isfinite(seconds):
        return "--:--"
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def time_taken(seconds: float) -> str:
    """In words: 12 seconds, 1.3 minutes."""
    if not math.isfinite(seconds):
        return "? minutes"
    return count(round(seconds), "second") if seconds < 60 else f"{seconds / 60:,.1f} minutes"


@dataclass
class TimeLeft:
    """The time that remains, from the mean duration of the latest steps."""

    total_steps: int
    step: int
    recent_s: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))

    def see(self, row: Mapping[str, Any]) -> None:
        """Take in one row of metrics; time/total_s is the duration of its step in seconds."""
        step, seconds = number(row, "step"), number(row, "time/total_s")
        if step is not None and math.isfinite(step):
            self.step = int(step)
        if seconds is not None and math.isfinite(seconds):
            self.recent_s.append(seconds)

    @property
    def seconds(self) -> float | None:
        if not self.recent_s:
            return None
        return sum(self.recent_s) / len(self.recent_s) * max(0, self.total_steps - self.step)


def sparkline(values: Sequence[float], width: int, blocks: str = BLOCKS) -> str:
    """`values` as at most `width` characters from lowest to highest of `blocks`; blank where nothing is finite.

    More values than characters are averaged in equal runs.
    """
    columns = min(width, len(values))
    edges = [len(values) * column // columns for column in range(columns + 1)] if columns > 0 else []
    means = [finite_mean(values[start:end]) for start, end in pairwise(edges)]
    known = [mean for mean in means if mean is not None]
    low, span = (min(known), max(known) - min(known)) if known else (0.0, 0.0)
    if not math.isfinite(span) or span <= 0:
        return "".join(" " if mean is None else blocks[len(blocks) // 2] for mean in means)
    return "".join(" " if mean is None else blocks[round((mean - low) / span * (len(blocks) - 1))] for mean in means)


def finite_mean(values: Sequence[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else None  # fmean would raise on overflow
