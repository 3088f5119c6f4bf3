"""A step frees its tensors when it ends. Python's search for cycles comes late and does not see a GPU's memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from sspo_cli.config.compose import load_config
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.loop import Loop
from sspo_cli.engine.observer import Observer
from sspo_cli.engine.parts import load_parts
from sspo_cli.engine.signals import StopRequest
from sspo_cli.engine.world import OneProcess

pytestmark = pytest.mark.slow


@contextmanager
def unreachable_tensors() -> Iterator[list[torch.Tensor]]:
    """Collects the tensors that only a search for cycles would have freed, after the block."""
    found: list[torch.Tensor] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [item for item in gc.garbage if isinstance(item, torch.Tensor)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_the_search_finds_a_tensor_in_a_cycle() -> None:
    with unreachable_tensors() as found:
        cycle: list[object] = [torch.ones(3)]
        cycle.append(cycle)
        del cycle
    assert [tensor.tolist() for tensor in found] == [[1, 1, 1]]


CORRECTED = ["objective.correction.level=sequence", "objective.kl.coef=0.1"]


@pytest.mark.parametrize("words", [[], CORRECTED, ["lora.rank=2"]])
def test_a_step_leaves_no_tensor_to_the_search_for_cycles(words: list[str], tmp_path: Path) -> None:
    config = load_config(TrainConfig, ["preset=smoke", "batch.prompts=2", *words])
    stop = StopRequest(None, at_once=False)
    loop = Loop(config, load_parts(config), tmp_path, Observer(), OneProcess(), stop)
    loop.step(1)
    with unreachable_tensors() as found:
        loop.evaluate(1)
        loop.step(2)
    assert [tuple(tensor.shape) for tensor in found] == []
