"""Log-ratios at every level, by hand, and their masks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sspo_cli.laws.cases import random_case
from sspo_cli.objectives.ratio import RATIOS, raw_log_ratio, token_log_ratio

MASK_BT = torch.tensor([[True, True, False], [True, False, True]])
LOG_RATIO_BT = torch.tensor([[0.5, -0.1, 7.0], [15.0, 7.0, 15.0]], dtype=torch.float64)


def seen_and_slopes(level: str) -> tuple[Tensor, Tensor]:
    """What the gate sees at the response tokens, and the slope of their sum by each log-ratio."""
    log_ratio_BT = LOG_RATIO_BT.clone().requires_grad_()
    seen_BT = torch.where(MASK_BT, RATIOS[level](log_ratio_BT, MASK_BT), 0)
    (slope_BT,) = torch.autograd.grad(seen_BT.sum(), log_ratio_BT)
    return seen_BT.detach(), slope_BT


@pytest.mark.parametrize(
    ("level", "seen", "slopes"),
    [
        ("token", [[0.5, -0.1, 0], [15, 0, 15]], [[1, 1, 0], [1, 0, 1]]),
        ("sequence", [[0.2, 0.2, 0], [15, 0, 15]], [[1, 1, 0], [1, 0, 1]]),
        ("sequence_token", [[0.2, 0.2, 0], [15, 0, 15]], [[1, 1, 0], [1, 0, 1]]),
        ("product", [[0.4, 0.4, 0], [20, 0, 20]], [[2, 2, 0], [0, 0, 0]]),
    ],
)
def test_each_level_by_hand(level: str, seen: list[list[float]], slopes: list[list[float]]) -> None:
    """l = (0.5, -0.1) and (15, 15), 7 where masked: means 0.2 and 15, sums 0.4 and 30, the last held at 20."""
    found_BT, slope_BT = seen_and_slopes(level)
    torch.testing.assert_close(found_BT, torch.tensor(seen, dtype=torch.float64), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(slope_BT, torch.tensor(slopes, dtype=torch.float64), rtol=1e-12, atol=0)


def test_a_token_moves_itself_alone_at_level_sequence_token_and_its_whole_response_at_level_sequence() -> None:
    for level, expected in (("sequence_token", [1, 0, 0]), ("sequence", [0.5, 0.5, 0])):
        log_ratio_BT = LOG_RATIO_BT.clone().requires_grad_()
        (slope_BT,) = torch.autograd.grad(RATIOS[level](log_ratio_BT, MASK_BT)[0, 0], log_ratio_BT)
        assert slope_BT[0].tolist() == expected


@pytest.mark.parametrize("poison", [math.nan, math.inf, 3.0])
def test_log_ratios_are_zero_where_masked_and_pass_no_gradient_there(poison: float) -> None:
    batch, _ = random_case(3)
    logp_BT = batch.logp_BT.masked_fill(~batch.mask_BT, poison).requires_grad_()
    for log_ratio in (raw_log_ratio, token_log_ratio):
        log_ratio_BT = log_ratio(replace(batch, logp_BT=logp_BT))
        assert (log_ratio_BT[~batch.mask_BT] == 0).all()
        (gradient_BT,) = torch.autograd.grad(log_ratio_BT.sum(), logp_BT)
        assert torch.equal(gradient_BT, batch.mask_BT.to(gradient_BT.dtype))


def test_log_probabilities_of_half_precision_are_subtracted_in_float32() -> None:
    """-8.0 and -8.0625 are neighbours in bfloat16; their difference is exact in float32."""
    batch, _ = random_case(0, dtype=torch.bfloat16)
    batch = replace(
        batch,
        logp_BT=torch.full_like(batch.logp_BT, -8.0),
        old_logp_BT=torch.full_like(batch.logp_BT, -8.0625),
        mask_BT=torch.ones_like(batch.mask_BT),
    )
    found_BT = token_log_ratio(batch)
    assert found_BT.dtype == torch.float32 and (found_BT == 0.0625).all()
