"""Named random streams: what is drawn for one purpose never depends on how much was drawn for another."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    """The generator of the stream `name` at `counters`, such as stream(seed, "rollout", step, prompt, sample)."""
    label = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
    return np.random.default_rng([seed, label, *counters])


def stable_fraction(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone: splits data the same way on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / 2**64
