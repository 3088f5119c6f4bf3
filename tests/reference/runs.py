"""The commands whose outputs must not change, in an order in which the later ones read what the earlier ones wrote."""

from __future__ import annotations

from dataclasses import dataclass

# One thread and float32: what is left is the arithmetic of the code. Steps so long that ratios leave 1.
SMALL = (
    "preset=smoke",
    "engine.device=cpu",
    "engine.threads=1",
    "optim.lr=1e-4",
    "dataset.bare_fraction=0.3",
    "batch.minibatches=4",
    "train.steps=3",
)


@dataclass(frozen=True)
class Run:
    """words: of `sspo`. folder: where it writes. files: of the folder, those that are compared."""

    name: str
    words: tuple[str, ...]
    folder: str
    files: tuple[str, ...]


TRAINED = ("metrics.jsonl", "samples.jsonl", "eval.jsonl", "summary.json", "manifest.json")
EVALUATED = ("eval.jsonl", "summary.json")
COMPARED = (
    "summary.json",
    "results.csv",
    *(f"cells/{objective}/seed_{seed}/metrics.jsonl" for objective in ("grpo", "sspo") for seed in (0, 1)),
)


def train(name: str, *words: str) -> Run:
    return Run(name, ("train", *words, "--name", name), f"outputs/train/{name}", TRAINED)


RUNS = (
    train("default", "train.steps=2", "engine.device=cpu", "engine.threads=1", "eval.problems=32"),
    train("stale", *SMALL, "rollout.staleness=1"),
    train("lora", *SMALL, "lora.rank=4", "objective.kl.coef=0.1", "optim.lr=1e-3"),
    train("correction", *SMALL, "rollout.staleness=1", "objective.correction.level=sequence"),
    train("two_waves", *SMALL, "objective=dapo", "objective.dynamic_sampling=3"),
    train(
        "tempered",
        *SMALL,
        "objective=gmpo",
        "rollout.temperature=0.7",
        "objective.entropy_coef=0.01",
        "batch.epochs=2",
    ),
    Run(
        "eval",
        ("eval", "outputs/train/stale", "eval.problems=16", "eval.samples=4", "--name", "again"),
        "outputs/eval/again",
        EVALUATED,
    ),
    Run(
        "compare",
        ("compare", "objective=grpo,sspo", "seed=0,1", *SMALL, "train.steps=2", "--name", "two"),
        "outputs/compare/two",
        COMPARED,
    ),
)
