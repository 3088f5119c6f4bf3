"""What a run has loaded when its first rollout is judged. Nothing here is timed: what is not loaded costs nothing."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


# Each of these takes from a tenth of a second to two, and the embedded default needs none of them to start.
LATER_OR_NEVER = {
    "wandb": "tracker=wandb",
    "trackio": "tracker=trackio",
    "tensorboard": "tracker=tensorboard",
    "datasets": "dataset=gsm8k",
    "pyarrow": "dataset=gsm8k",
    "pandas": "dataset=gsm8k",
    "math_verify": "reward=math",
    "peft": "lora.rank",
    "matplotlib": "the plots at the end",
    "joblib": "a launcher of grids",
    "submitit": "a launcher of grids",
    "sspo_cli.study.plan": "sspo compare",
    "sspo_cli.views.page": "the report at the end",
    "sspo_cli.laws": "sspo selftest",
    "sspo_cli.commands.show": "sspo show",
}
REWARD = """
import gc, json, pathlib, sys

def score(prompt, response, answer):
    file = pathlib.Path("loaded_at_reward.json")
    if not file.exists():
        collector = {"on": gc.isenabled(), "set_aside": gc.get_freeze_count()}
        file.write_text(json.dumps({"modules": sorted(sys.modules), "collector": collector}))
    return 0.0
"""


def test_the_first_rollout_waits_for_nothing_that_it_does_not_need(
    fresh_sspo: Sspo, tmp_path: Path, write: Callable[[str, str], Path]
) -> None:
    write("reward.py", REWARD)
    inside = ["reward.workers=0", "reward.timeout_s=null", "reward.memory_gib=null"]
    done = fresh_sspo("train", "preset=smoke", "train.steps=1", "reward=python", "reward.path=reward.py", *inside)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "loaded_at_reward.json").read_text())
    loaded = set(found["modules"])
    assert {"torch", "transformers", "sspo_cli.rollout.native", "sspo_cli.engine.loop"} <= loaded
    for module, needed_by in LATER_OR_NEVER.items():
        assert importlib.util.find_spec(module), f"{module} is not installed, so this says nothing"
        assert module not in loaded, f"{module} is loaded before the first rollout; it is for {needed_by}"
    assert found["collector"]["on"], "garbage is collected while the run goes on"
    assert found["collector"]["set_aside"] > 100_000, "what the libraries made was looked through, again and again"
