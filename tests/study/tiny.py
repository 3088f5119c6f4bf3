"""Settings under which a cell takes a blink: what it learns does not matter, only that it repeats."""

from __future__ import annotations

TINY = [
    "preset=smoke",
    "model=scratch",
    "model.hidden_size=16",
    "model.intermediate_size=16",
    "model.layers=1",
    "model.heads=2",
    "batch.prompts=2",
    "batch.samples_per_prompt=4",
    "rollout.max_response_length=8",
    "eval.problems=4",
    "train.steps=3",
    "train.save_every=1",
    "engine.threads=1",
]
