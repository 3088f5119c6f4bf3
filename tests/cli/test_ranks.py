"""`engine=ddp` writes what one process writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Sspo

pytestmark = pytest.mark.slow


def test_two_ranks_write_the_responses_of_one_process(sspo: Sspo, tmp_path: Path) -> None:
    """By the reward of every response, evaluations included; a rank alone would have half of them."""
    for name, words in (("one", []), ("two", ["engine=ddp", "engine.processes=2"])):
        done = sspo("train", "preset=smoke", *words, f"name={name}")
        assert done.returncode == 0, done.stderr
    one, two = (tmp_path / "outputs" / "train" / name for name in ("one", "two"))
    for name in ("samples.jsonl", "eval.jsonl"):
        assert (two / name).read_bytes() == (one / name).read_bytes()
    assert (two / "STATUS").read_text() == (one / "STATUS").read_text()


def test_counts_of_ranks_that_cannot_be_are_one_line(sspo: Sspo) -> None:
    for words, told in (
        (["engine.processes=2"], "engine=single is one process; write engine=ddp"),
        (["engine=ddp", "engine.processes=33"], "is more than batch.prompts=32; start fewer"),
        (["engine=ddp", "engine.processes=0"], "must be greater than or equal to 1"),
    ):
        done = sspo("train", *words)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 2 and told in line
    grid = sspo("compare", "objective=grpo,sspo", "seed=0,1", "engine=ddp")
    assert grid.returncode == 2 and "every cell of a grid is one process" in grid.stderr
