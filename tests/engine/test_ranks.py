"""Several ranks compute what one process does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.engine.world import deal, travels
from sspo_cli.guards import GuardStop, OutOfMemory
from sspo_cli.rewards.base import RewardError
from sspo_cli.types import Key
from tests.engine.ranks import OBJECTIVES

# Of the largest of a run. Adam's first steps amplify rounding, which the norm of the gradient shows first.
SAME = {"loss": 1e-5, "grad/norm": 1e-4, "policy/kl": 1e-3, "weight/mean": 1e-5}


def test_places_are_dealt_by_weight_and_none_is_lost() -> None:
    assert deal([5, 1, 1, 1, 1, 1], 2) == [[0], [1, 2, 3, 4, 5]]
    assert deal([3, 1, 2], 1) == [[0, 1, 2]]
    assert deal([4], 3) == [[0], [], []]


@pytest.mark.parametrize(
    "error",
    [
        ConfigError(["a=1: is wrong", "b=2: is too"]),
        RewardError(Key("train", 3, 1, 0), Problem("p", "1+1=", "2", None), "3", "it raised", "a traceback"),
        GuardStop("not finite"),
        OutOfMemory("lower a key"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_one_rank_raises_is_raised_as_it_is_on_the_others(error: Exception) -> None:
    again = copy.deepcopy(error)
    assert travels(error) and type(again) is type(error) and str(again) == str(error)
    assert vars(again) == vars(error)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, pytest.param(4, marks=pytest.mark.long)])
def test_updates_of_ranks_are_those_of_one_process(ranks: int, tmp_path: Path) -> None:
    """With ragged shares: in the last updates all ranks but one have no response."""
    file = tmp_path / "losses.json"
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    done = subprocess.run(
        [*launched, "-m", "tests.engine.ranks", str(file)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["size"] == ranks
    for engine, objective in product(("ddp", "fsdp"), OBJECTIVES):
        for name, alone in found["alone"][objective].items():
            together = found[engine][objective][name]
            size = max(abs(value) for value in alone)
            gap = max(abs(one - other) for one, other in zip(alone, together, strict=True))
            assert size > 0 and gap <= SAME[name] * size, f"{engine} {objective} {name}: {gap / size:.1e} apart"
