"""Several ranks compute what one process does."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.data.problem import Problem
from sspo_cli.engine.world import deal, lost_ranks_told, own_gpu, travels
from sspo_cli.guards import GuardStop, OutOfMemory, RankLost
from sspo_cli.rewards.base import RewardError
from sspo_cli.types import Key
from tests.engine.ranks import OBJECTIVES
from tests.tiny_models import ARCHITECTURES

# Of the largest of a run. Adam's first steps amplify rounding, which the norm of the gradient shows first.
SAME = {"loss": 1e-5, "grad/norm": 1e-4, "policy/kl": 1e-3, "policy/entropy": 1e-5, "weight/mean": 1e-5}


def test_places_are_dealt_by_weight_and_none_is_lost() -> None:
    assert deal([5, 1, 1, 1, 1, 1], 2) == [[0], [1, 2, 3, 4, 5]]
    assert deal([3, 1, 2], 1) == [[0, 1, 2]]
    assert deal([1, 1, 5], 2) == [[2], [0, 1]]
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


def gap(alone: Sequence[float], together: Sequence[float]) -> float:
    """Between two rows of numbers, of the largest of them."""
    size = max(abs(value) for value in alone)
    assert size > 0
    return max(abs(one - other) for one, other in zip(alone, together, strict=True)) / size


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.long)])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What tests.engine.ranks wrote, of so many ranks."""
    return launch(request.param, tmp_path_factory.mktemp("ranks"))


def launch(ranks: int, folder: Path, *words: str) -> dict[str, Any]:
    launched = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    done = subprocess.run(
        [*launched, "-m", "tests.engine.ranks", str(folder), *words],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    result: dict[str, Any] = json.loads((folder / "found.json").read_text())
    assert result["size"] == ranks
    return result


def test_more_ranks_than_gpus_of_a_machine_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = torch.cuda.device_count()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(gpus + 1))
    with pytest.raises(ConfigError) as told:
        own_gpu()
    (line,) = told.value.problems
    assert line.startswith(f"engine: {gpus + 1} ranks here and {gpus} GPUs; ")


def test_an_error_of_the_network_says_that_a_rank_is_lost_and_others_stay_what_they_are() -> None:
    closed = "[/build/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:47499."
    with pytest.raises(RankLost, match="another rank has ended"), lost_ranks_told():
        raise RuntimeError(closed)
    with pytest.raises(RuntimeError, match="shapes"), lost_ranks_told():
        raise RuntimeError("shapes do not fit")


@pytest.mark.slow
def test_ranks_agree_on_what_one_of_them_found(found: dict[str, Any]) -> None:
    of, size = found["agreement"], found["size"]
    assert of["told"] == ["the last"] * size
    assert of["any"] == [True, False] * size
    assert of["sum"] == [size * (size + 1) / 2] * size


@pytest.mark.slow
def test_updates_of_ranks_are_those_of_one_process(found: dict[str, Any]) -> None:
    """With ragged shares: in the last updates all ranks but one have no response."""
    of = found["objectives"]
    for engine, objective in product(("ddp", "fsdp"), OBJECTIVES):
        for name, alone in of["alone"][objective].items():
            apart = gap(alone, of[engine][objective][name])
            assert apart <= SAME[name], f"{engine} {objective} {name}: {apart:.1e} apart"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reference", "adapters"])
def test_a_policy_and_its_reference_can_be_shared_out(found: dict[str, Any], kind: str) -> None:
    """A second model; or the base under adapters, which is shared out too, with layers computed twice."""
    of = found[kind]
    for name in ("loss", "grad/norm", "policy/kl"):
        alone, together = ([row[name] for row in of[which]] for which in ("alone", "together"))
        assert gap(alone, together) <= 10 * SAME[name], name
    assert of["rows"]
    held, all_of_them = of["held"]
    assert held / all_of_them == pytest.approx(1 / found["size"], rel=0.1)


@pytest.mark.slow
def test_models_of_other_kinds_are_shared_out_by_layers(found: dict[str, Any]) -> None:
    check_models(found["models"])


@pytest.mark.long
def test_every_architecture_is_shared_out_by_layers(tmp_path: Path) -> None:
    check_models(launch(2, tmp_path, *ARCHITECTURES)["models"])


def check_models(models: dict[str, Any]) -> None:
    for name, of in models.items():
        assert of["parts"] > 1 and of["names"] and of["resumed"], name
        assert all(drawn == again for drawn, again in of["samples"]), name
        for metric in ("loss", "grad/norm"):
            alone, together = ([row[metric] for row in of[which]] for which in ("alone", "together"))
            # At ratio 1 the loss is a sum of advantages that almost cancel.
            assert together == pytest.approx(alone, rel=1e-5, abs=1e-6), f"{name} {metric}"
        assert of["weights"] < 2e-4, name  # at most the two steps of Adam, whose signs rounding can turn
