"""Numbers of things in words."""

from __future__ import annotations


def count(number: int, noun: str, plural: str = "") -> str:
    """1 step, 2 steps; plural: of a noun that takes more than an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
