"""Whether the cells of a compare differ in nothing but objective and seed: in their settings, and in what they read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sspo_cli.config.tree import differences, is_under
from sspo_cli.grid.differ import shown

FREE = ("objective", "seed")

# Every hash of manifest.json, with the settings that it depends on beside the seed.
DEPENDS_ON = {
    "initial_weights": ("model", "lora"),
    "tokenizer": ("model",),
    "data_order": ("dataset", "batch.prompts", "train.steps"),
    "evaluation_problems": ("dataset", "eval.problems"),
    "rollout_draws": (),
    "evaluation_draws": (),
    "reward": ("reward",),
    "training_content": ("dataset",),
    "evaluation_content": ("dataset", "eval.problems"),
    "prompt_tokens": ("dataset", "eval.problems", "model", "prompt_time"),
}
# Runs of earlier versions did not write these down.
LATER = ("training_content", "evaluation_content", "prompt_tokens")


def unfair_settings(cells: Mapping[str, Mapping[str, Any]], allowed: Sequence[str]) -> list[str]:
    """One line for every key in which the settings of `cells`, by name, differ though they may not."""
    found: dict[str, str] = {}
    first, *others = cells
    for other in others:
        for key in differences(cells[first], cells[other]):
            if key not in found and not is_under(key, (*FREE, *allowed)):
                found[key] = (
                    f"{key}: {shown(cells[first], key)} in {first}, {shown(cells[other], key)} in {other};"
                    f" cells of a compare may differ in objective and seed only, and in what --allow {key} names"
                )
    return list(found.values())


def unfair_beginnings(cells: Mapping[str, tuple[int, Path]], allowed: Sequence[str]) -> list[str]:
    """One line for every hash in which cells of one seed differ. cells: by name, their seed and their folder."""
    problems = []
    checked = [name for name, settings in DEPENDS_ON.items() if not any(touches(key, settings) for key in allowed)]
    first: dict[int, tuple[str, dict[str, str]]] = {}
    for cell, (seed, folder) in cells.items():
        hashes = manifest_hashes(folder)
        other, expected = first.setdefault(seed, (cell, hashes))
        known = hashes.keys() & expected.keys()
        problems += [
            f"{name}: {cell} and {other} have one seed but differ in it (manifest.json), so they cannot be compared;"
            f" move one of the folders away and run the command again"
            for name in checked
            if (name in known or name not in LATER) and hashes.get(name) != expected.get(name)
        ]
    return problems


def touches(key: str, settings: Sequence[str]) -> bool:
    return is_under(key, settings) or any(is_under(setting, [key]) for setting in settings)


def manifest_hashes(folder: Path) -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / "manifest.json").read_text())["hashes"]
    except (OSError, ValueError, KeyError):
        return {}
    return found
