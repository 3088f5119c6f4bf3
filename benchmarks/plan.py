"""Which measurements make up which table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.workload import EMBEDDED, SIZES, Workload

TABLES = ("peers", "memory", "limit", "growth", "overhead")

# Short and wide: what a [B, T, V] tensor would take dominates.
SEQUENCE = 512
LARGE_VOCABULARY = Workload(
    hidden=64,
    intermediate=256,
    layers=2,
    heads=2,
    vocabulary=151_936,
    prompts=1,
    prompt_length=(16, 16),
    max_response_length=SEQUENCE - 16,
    mean_response_share=None,
    updates=1,
)
# 64 responses, one update.
SMALL_ROLLOUT = replace(EMBEDDED, prompts=8, updates=1)
GROWTH: dict[str, dict[str, Workload]] = {
    "model size": {name: replace(size, prompts=8, updates=1) for name, size in SIZES.items()},
    "response cap": {str(cap): replace(SMALL_ROLLOUT, max_response_length=cap) for cap in (64, 256, 1024)},
    # A prompt is encoded once for its group, and read with each of its responses in the update.
    "prompt": {f"{S:,}": replace(SMALL_ROLLOUT, prompt_length=(S, S), max_response_length=64) for S in (16, 1000)},
    "group size": {
        str(size): replace(SMALL_ROLLOUT, prompts=64 // size, samples_per_prompt=size) for size in (2, 8, 32)
    },
    "vocabulary": {
        f"{V:,}": replace(SMALL_ROLLOUT, vocabulary=V, max_response_length=32) for V in (64, 32_000, 151_936)
    },
    "tokens per micro-batch": {
        f"{budget:,}": replace(EMBEDDED, updates=1, tokens_per_microbatch=budget) for budget in (1024, 4096, 16_384)
    },
}


@dataclass(frozen=True)
class Job:
    """One child process, which makes `call`, "module.function".

    seconds: about how long it takes on 2 cores, for the first guess at the time left.
    """

    table: str
    name: str
    call: str
    workload: Workload
    seconds: float
    options: dict[str, Any] = field(default_factory=dict)


def jobs(tables: list[str], repetitions: int, steps: int) -> list[Job]:
    makers = {"peers": peers, "memory": memory, "limit": limit, "growth": growth, "overhead": overhead}
    return [job for table in tables for job in makers[table](repetitions, steps)]


def peers(repetitions: int, steps: int) -> Iterator[Job]:
    """The two libraries take turns, so that whatever else the machine does meets both."""
    for seed in range(repetitions):
        asked = {"steps": steps, "seed": seed}
        yield Job("peers", "sspo", "ours.measure", EMBEDDED, 9 + 3 * steps, asked)
        yield Job("peers", "trl", "trl_side.measure", EMBEDDED, 16 + 7 * steps, {**asked, "cache": None})
        yield Job("peers", "trl static", "trl_side.measure", EMBEDDED, 14 + 5 * steps, {**asked, "cache": "static"})


def memory(repetitions: int, steps: int) -> Iterator[Job]:
    """As each comes, TRL with the whole update in one pass as in the comparison; and one sequence at a time in both."""
    asked = {"tokens": SEQUENCE}
    one_by_one = replace(LARGE_VOCABULARY, tokens_per_microbatch=SEQUENCE)
    for _ in range(min(2, repetitions)):
        yield Job("memory", "sspo", "ours.measure_update", LARGE_VOCABULARY, 25, asked)
        yield Job("memory", "trl", "trl_side.measure_update", LARGE_VOCABULARY, 30, {**asked, "microbatches": 1})
        yield Job("memory", "sspo, one by one", "ours.measure_update", one_by_one, 25, asked)
        yield Job(
            "memory", "trl, one by one", "trl_side.measure_update", LARGE_VOCABULARY, 30, {**asked, "microbatches": 8}
        )


def limit(repetitions: int, steps: int) -> Iterator[Job]:
    for name in SIZES:
        workload = GROWTH["model size"][name]
        yield Job("limit", name, "limit.measure", workload, 5 + workload.parameters / 4e5, {"steps": steps})


def growth(repetitions: int, steps: int) -> Iterator[Job]:
    """Three times the steps: 64 responses of chance lengths say little of one another."""
    for axis, points in GROWTH.items():
        for value, workload in points.items():
            seconds = 5 + workload.parameters / 2e5 + workload.responses * workload.max_response_length / 4e3
            yield Job("growth", f"{axis}/{value}", "ours.measure", workload, seconds, {"steps": 3 * steps})


def overhead(repetitions: int, steps: int) -> Iterator[Job]:
    yield Job("overhead", "step", "overhead.measure", EMBEDDED, 30)
    for _ in range(repetitions):
        yield Job("overhead", "start", "start.measure", EMBEDDED, 10)
