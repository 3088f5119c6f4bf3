"""A reward that costs next to nothing and differs within a group."""

from __future__ import annotations


def score(prompt: str, response: str, answer: str) -> float:
    return float(len(response) % 2)
