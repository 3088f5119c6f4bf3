"""Grid folders as `sspo compare` and `sspo sweep` leave them, with outcomes that a test decides."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sspo_cli.config.compose import load_config, to_yaml
from sspo_cli.config.schema import TrainConfig
from sspo_cli.runs import jsonl

PROBLEMS, SAMPLES = 24, 2
Point = dict[str, Any]
Axes = Mapping[str, Sequence[str | float]]
# From a point and a seed to the accuracy at step 0, 2, 4 and so on, of which every one is evaluated.
Curve = Callable[[Point, int], Sequence[float]]


@cache
def config_yaml(overrides: tuple[str, ...]) -> str:
    return to_yaml(load_config(TrainConfig, list(overrides)))


def make_grid(
    folder: Path,
    axes: Axes,
    curve: Curve,
    *,
    kind: str = "compare",
    metric: str = "eval/accuracy",
    direction: str = "max",
    clock: float = 1.0,
) -> Path:
    """A grid over `axes` (seed the last one), every cell of it done."""
    keys = [key for key in axes if key != "seed"]
    points = [dict(zip(keys, values, strict=True)) for values in itertools.product(*(axes[key] for key in keys))]
    cells = []
    for point in points:
        name = "-".join(str(value) for value in point.values())
        for seed in map(int, axes["seed"]):
            place = f"cells/{name}/seed_{seed}"
            words = [f"{key}={value}" for key, value in point.items()]
            write_cell(folder / place, words, curve(point, seed), seed, clock)
            overrides = [*words, f"seed={seed}", "preset=smoke"]
            cells.append({"folder": place, "point": point, "seed": seed, "id": place, "overrides": overrides})
    content = {
        "kind": kind,
        "axes": {key: list(values) for key, values in axes.items()},
        "metric": metric,
        "direction": direction,
        "baseline": axes["objective"][0] if kind == "compare" else None,
        "allowed": [],
        "cells": cells,
    }
    (folder / "grid.json").write_text(json.dumps(content))
    words = [f"{key}={','.join(map(str, values))}" for key, values in axes.items()]
    (folder / "command.sh").write_text("#!/bin/sh\n" + shlex.join(["sspo", kind, *words]) + "\n")
    (folder / "config.yaml").write_text(config_yaml(("preset=smoke",)))
    (folder / "STATUS").write_text("done\n")
    return folder


def write_cell(cell: Path, words: Sequence[str], accuracies: Sequence[float], seed: int, clock: float) -> None:
    """A train run that is done. An accuracy is a share of the PROBLEMS * SAMPLES answers, problem by problem."""
    cell.mkdir(parents=True)
    (cell / "STATUS").write_text("done\n")
    (cell / "config.yaml").write_text(config_yaml((*words, "preset=smoke")).replace("seed: 0", f"seed: {seed}", 1))
    for place, accuracy in enumerate(accuracies):
        step = 2 * place
        answers = eval_rows(step, accuracy, seed)
        right = float(np.mean([row["correct"] for row in answers]))
        jsonl.append(cell / "eval.jsonl", answers)
        jsonl.append(cell / "metrics.jsonl", [*([train_row(step - 1, right, clock)] if place else []),
                                              {**train_row(step, right, clock), "eval/accuracy": right}])  # fmt: skip
    manifest = {
        "versions": {"python": "3.11", "torch": "9.9"},
        "hardware": {"machine": "x86_64", "cores": 2},
        "hashes": {"initial_weights": "w", "evaluation_problems": "e"},
    }
    (cell / "manifest.json").write_text(json.dumps(manifest))
    (cell / "summary.json").write_text(json.dumps({"status": "done", "minutes": clock}))
    (cell / "log.txt").write_text("step 1\nstep 2\n")


def train_row(step: int, right: float, clock: float) -> dict[str, Any]:
    row = {
        "step": step,
        "reward/mean": right,
        "policy/entropy": 1 - 0.5 * right,
        "update/effective_ratio": 0.98,
        "weight/std": 0.1,
        "response/length": 10 + right,
        "grad/norm": 1.0,
        "tokens/total": 100 * step,
        "time/total_s": clock,
        "throughput/rollout_tokens_per_s": 1000 / clock,
        "memory/peak_gib": clock,
    }
    return row if step else {"step": 0}


def eval_rows(step: int, accuracy: float, seed: int) -> list[dict[str, Any]]:
    """The first answers are right: as many as the accuracy asks for, at most one off by the seed."""
    total = PROBLEMS * SAMPLES
    right = round(accuracy * total)
    return [
        {
            "step": step,
            "problem": f"p{i // SAMPLES}",
            "sample": i % SAMPLES,
            "prompt": f"{i // SAMPLES}+1=",
            "response": f"<b>{i if i < right else 'wrong'}</b> & step {step}",
            "answer": str(i),
            "reward": float(i < right),
            "correct": i < right,
            "length": 5 + seed,
            "truncated": False,
        }
        for i in range(total)
    ]


def rising(ends: Mapping[str, float], wobble: float = 0.02) -> Curve:
    """From 0.1 straight to the end of the point's objective; seeds above and below it by `wobble`."""
    return lambda point, seed: list(np.linspace(0.1, ends[point["objective"]] + wobble * ((seed % 3) - 1), 5))
