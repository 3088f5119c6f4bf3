"""Every override and key that docs/peers.md names is one of ours."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import TrainConfig

PAGE = (Path(__file__).parents[2] / "docs" / "peers.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`]+)`", PAGE))
OVERRIDES = sorted(word for word in CODE if re.match(r"objective[\w./]*=\w", word))
KEYS = sorted(word for word in CODE if re.fullmatch(r"(objective|batch|rollout|optim|engine)\.[\w.]+", word))


def load(words: list[str]) -> TrainConfig:
    return load_config(TrainConfig, words, rules=objective_problems)


def keys_of(section: dict[str, Any], above: str = "") -> set[str]:
    """Dotted names of the sections and values below `section`."""
    names = {f"{above}{name}" for name in section}
    nested = [keys_of(value, f"{above}{name}.") for name, value in section.items() if isinstance(value, dict)]
    return names.union(*nested)


@pytest.mark.parametrize("line", OVERRIDES)
def test_every_override_composes(line: str) -> None:
    load(["objective=grpo", *line.split()])


def test_every_key_belongs_to_some_objective() -> None:
    assert KEYS
    known = set().union(*(keys_of(asdict(load([f"objective={name}"]))) for name in groups()["objective"]))
    assert set(KEYS) <= known
