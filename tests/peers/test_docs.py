"""Every override and key that the pages about other libraries name is one of ours, and what they call refused is."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.locate import groups
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import TrainConfig

pytestmark = pytest.mark.slow


DOCS = Path(__file__).parents[2] / "docs" / "evidence"
PAGES = "\n".join((DOCS / name).read_text(encoding="utf-8") for name in ("peers.md", "peers_tables.md"))
OBJECTIVES = groups()["objective"]
REFUSED = set(re.findall(r"refused:\s+`([^`]+)`", PAGES))
CODE = set(re.findall(r"`([^`]+)`", PAGES)) - REFUSED
# Overrides, or the name of an objective and overrides.
OVERRIDES = sorted(word for word in CODE if re.match(r"objective[\w./]*=\w", word) or word.split()[0] in OBJECTIVES)
KEYS = sorted(word for word in CODE if re.fullmatch(r"(objective|batch|rollout|optim|engine)\.[\w.]+", word))


def load(line: str) -> TrainConfig:
    first, *others = line.split()
    words = [f"objective={first}", *others] if first in OBJECTIVES else ["objective=grpo", first, *others]
    return load_config(TrainConfig, words, rules=objective_problems)


def keys_of(section: dict[str, Any], above: str = "") -> set[str]:
    """Dotted names of the sections and values below `section`."""
    names = {f"{above}{name}" for name in section}
    nested = [keys_of(value, f"{above}{name}.") for name, value in section.items() if isinstance(value, dict)]
    return names.union(*nested)


@pytest.mark.parametrize("line", OVERRIDES)
def test_every_override_composes(line: str) -> None:
    load(line)


@pytest.mark.parametrize("line", sorted(REFUSED))
def test_what_is_called_refused_is(line: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(line.split()[-1])):
        load(line)


def test_every_key_belongs_to_some_objective() -> None:
    assert KEYS
    known = set().union(*(keys_of(asdict(load(name))) for name in OBJECTIVES))
    assert set(KEYS) <= known
