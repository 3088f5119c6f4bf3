"""`sspo sweep` as a user runs it, by hand and as a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import SoftGateSection, TrainConfig
from sspo_cli.runs import jsonl
from tests.cli.conftest import Sspo, Write
from tests.study.tiny import TINY

pytestmark = pytest.mark.slow


RECIPE = """about: Two temperatures on next to nothing
command: sweep
overrides: [{overrides}]
expect: {{cells.done: {{at_least: 2}}, cells.none: {{at_least: 1}}}}
verified: not run in full
"""


@pytest.mark.long
def test_a_recipe_of_a_sweep_runs_every_point_is_checked_and_goes_on(sspo: Sspo, tmp_path: Path, write: Write) -> None:
    words = ["objective=sspo", "objective.gate.tau_pos=range(2,6,3)", "sweep.metric=loss", "sweep.direction=min", *TINY]
    write("recipes/study.yaml", RECIPE.format(overrides=", ".join(f"'{word}'" for word in words)))
    done = sspo("recipe", "run", "study", "hydra/launcher=joblib", "--check", "--json")
    folder = tmp_path / "outputs" / "sweep" / "study"
    assert done.returncode == 1, "cells.none is not there"
    assert "cells.done at least 2" in done.stderr and "not measured" in done.stderr
    assert json.loads(done.stdout)["folder"] == "outputs/sweep/study"
    content = json.loads((folder / "grid.json").read_text())
    assert content["axes"] == {"objective": ["sspo"], "objective.gate.tau_pos": [2, 5], "seed": [0]}
    assert content["baseline"] is None and content["direction"] == "min"
    assert [cell["folder"] for cell in content["cells"]] == ["cells/tau_pos_2/seed_0", "cells/tau_pos_5/seed_0"]
    for cell, tau in zip(content["cells"], (2, 5), strict=True):
        config = load_config(TrainConfig, [], base=folder / cell["folder"] / "config.yaml")
        assert isinstance(config.objective.gate, SoftGateSection)
        assert config.objective.gate.tau_pos == tau and config.engine.threads == 1
        assert jsonl.read(folder / cell["folder"] / "metrics.jsonl")[-1]["step"] == 3

    again = sspo("sweep", *words, "name=study", "--json")
    assert again.returncode == 0 and json.loads(again.stdout)["cells"] == {"done": 2}


def test_a_recipe_says_what_the_cells_of_its_compare_may_differ_in(sspo: Sspo, write: Write) -> None:
    text = "about: Two rates\ncommand: compare\noverrides: [objective=grpo, 'optim.lr=1e-5,1e-4', seed=0]\n"
    end = "expect: {}\nverified: not run in full\n"
    write("recipes/with.yaml", f"{text}allow: [optim.lr]\n{end}")
    write("recipes/without.yaml", text + end)
    told = {name: sspo("recipe", "run", name).stderr for name in ("with", "without")}
    assert "--allow optim.lr" in told["without"] and "--allow" not in told["with"]
    assert all("objective=grpo: a compare needs two objectives" in lines for lines in told.values())


def test_a_training_recipe_expects_something_and_allows_nothing(sspo: Sspo, write: Write) -> None:
    text = "about: One\ncommand: train\noverrides: [objective=grpo]\nverified: not run in full\n"
    write("recipes/idle.yaml", f"{text}expect: {{}}\n")
    write("recipes/lax.yaml", f"{text}expect: {{minutes: {{at_most: 1}}}}\nallow: [optim.lr]\n")
    for name, key in (("idle", "expect: "), ("lax", "allow: ")):
        done = sspo("recipe", "run", name)
        assert done.returncode == 2 and key in done.stderr
