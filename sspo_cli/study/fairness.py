"""Whether the cells of a compare differ in nothing but objective and seed: in their settings, and in what they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sspo_cli.config.tree import differences, is_under
from sspo_cli.study.files import CellFiles
from sspo_cli.study.settings import shown

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
# A report of any runs mentions these where they differ within a seed, though no compare was promised.
MENTIONED = ("evaluation_problems", "prompt_tokens", "initial_weights")


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


def unfair_beginnings(cells: Sequence[tuple[int, CellFiles]], allowed: Sequence[str]) -> list[str]:
    """One line for every hash in which cells of one seed differ. cells: each with its seed."""
    problems = []
    checked = [name for name, settings in DEPENDS_ON.items() if not any(touches(key, settings) for key in allowed)]
    first: dict[int, CellFiles] = {}
    for seed, cell in cells:
        other = first.setdefault(seed, cell)
        known = cell.hashes.keys() & other.hashes.keys()
        problems += [
            f"{name}: {cell.folder} and {other.folder} have one seed but differ in it (manifest.json), so they cannot"
            f" be compared; move one of the folders away and run the command again"
            for name in checked
            if (name in known or name not in LATER) and cell.hashes.get(name) != other.hashes.get(name)
        ]
    return problems


def unequal_beginnings(cells: Sequence[tuple[int, CellFiles]], varied: Sequence[str]) -> list[str]:
    """What cells of one seed do not share by their hashes, though none of the `varied` keys asks for it, in words."""
    found = []
    for name in MENTIONED:
        by_seed: dict[int, set[str]] = {}
        for seed, cell in cells:
            if name in cell.hashes:
                by_seed.setdefault(seed, set()).add(cell.hashes[name])
        asked = any(touches(key, DEPENDS_ON[name]) for key in varied)
        if not asked and any(len(hashes) > 1 for hashes in by_seed.values()):
            found.append(name.replace("_", " "))
    return found


def touches(key: str, settings: Sequence[str]) -> bool:
    return is_under(key, settings) or any(is_under(setting, [key]) for setting in settings)
