"""Shapes and dtypes that would broadcast into a wrong loss are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from sspo_cli.laws.cases import random_case

from .cases import Variant, load


def test_an_advantage_per_token_column_is_refused() -> None:
    batch, _ = random_case(0)
    with pytest.raises(ValueError, match=r"advantage_B has shape \(6, 1\), expected \(6,\)"):
        replace(batch, advantage_B=batch.advantage_B[:, None])


def test_an_advantage_for_each_token_is_refused() -> None:
    batch, _ = random_case(0, B=5, T=7)
    with pytest.raises(ValueError, match=r"advantage_B has shape \(7,\), expected \(5,\)"):
        replace(batch, advantage_B=torch.ones(7))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8], ids=str)
def test_a_mask_that_is_not_bool_is_refused(dtype: torch.dtype) -> None:
    batch, _ = random_case(0)
    with pytest.raises(ValueError, match=r"mask_BT has dtype torch\.\w+, expected torch.bool"):
        replace(batch, mask_BT=batch.mask_BT.to(dtype))


@pytest.mark.parametrize("name", ["old_logp_BT", "mask_BT", "rollout_logp_BT", "reference_logp_BT", "entropy_BT"])
def test_a_tensor_that_would_broadcast_is_refused(name: str) -> None:
    batch, _ = random_case(0)
    with pytest.raises(ValueError, match=name):
        replace(batch, **{name: getattr(batch, name)[:, :1]})
    with pytest.raises(ValueError, match=name):
        replace(batch, **{name: getattr(batch, name)[:1]})


def test_log_probabilities_of_one_response_without_a_batch_are_refused() -> None:
    batch, _ = random_case(0)
    with pytest.raises(ValueError):
        replace(batch, logp_BT=batch.logp_BT[0])


@pytest.mark.parametrize(
    ("override", "name"),
    [
        ("objective.kl.coef=0.1", "reference_logp_BT"),
        ("objective.entropy_coef=0.1", "entropy_BT"),
        ("objective.correction.level=token", "rollout_logp_BT"),
    ],
)
def test_an_objective_asks_for_the_tensor_that_it_reads_and_no_other(override: str, name: str) -> None:
    batch, counts = random_case(0)
    optional = ("rollout_logp_BT", "reference_logp_BT", "entropy_BT")
    objective = load(Variant("grpo", (override,)))
    others: dict[str, Any] = dict.fromkeys(set(optional) - {name})
    objective(replace(batch, **others), counts)
    missing: dict[str, Any] = {name: None}
    with pytest.raises(ValueError, match=f"reads {name}, which the batch does not have"):
        objective(replace(batch, **missing), counts)
