"""The fast engine computes what the plain one did: the same samples, and losses and gradient norms within rounding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.golden.losses import environment, first_updates

pytestmark = pytest.mark.slow


GOLDEN = json.loads((Path(__file__).parent / "losses.json").read_text())
SAME = 1e-5


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """As many as before, afterwards: the tests that follow in this process did not ask for more."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("objective", GOLDEN["updates"])
def test_losses_are_those_of_the_plain_engine(objective: str) -> None:
    assert_same(first_updates(objective), GOLDEN["updates"][objective])


@pytest.mark.parametrize(
    "overrides",
    [
        ["engine.tokens_per_microbatch=64"],
        ["engine.tokens_per_generation=1100"],
        pytest.param(["engine.threads=2"], marks=pytest.mark.long),
    ],
)
def test_no_setting_of_the_engine_changes_them(overrides: list[str]) -> None:
    assert_same(first_updates("sspo", *overrides), GOLDEN["updates"]["sspo"])


def assert_same(found: dict[str, list[float]], expected: dict[str, list[float]]) -> None:
    told = f"reference from {GOLDEN['environment']}, this is {environment()}"
    assert found["tokens"] == expected["tokens"], told
    for name in ("loss", "grad/norm"):
        size = max(abs(value) for value in expected[name])
        gap = max(abs(one - other) for one, other in zip(found[name], expected[name], strict=True))
        assert gap <= SAME * size, f"{name}: {gap / size:.1e} apart; {told}"
