"""Truncated importance weights for the gap between sampler and trainer, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.correction import Correction

LN2 = math.log(2)


def batch_of(log_ratios: list[float]) -> PolicyBatch:
    """One response with the given log pi_old - log pi_rollout, and a masked position behind it."""
    gap_BT = torch.tensor([[*log_ratios, 50.0]], dtype=torch.float64)
    return PolicyBatch(
        logp_BT=torch.zeros_like(gap_BT),
        old_logp_BT=gap_BT - 1,
        advantage_B=torch.ones(1, dtype=torch.float64),
        mask_BT=torch.tensor([[True] * len(log_ratios) + [False]]),
        rollout_logp_BT=torch.full_like(gap_BT, -1),
    )


def weights(correction: Correction, log_ratios: list[float]) -> list[float]:
    return correction(batch_of(log_ratios))[0, :-1].tolist()


def test_each_token_has_its_own_ratio_up_to_the_cap() -> None:
    found = weights(Correction("token", cap=3.0), [0, LN2, 2 * LN2, -3 * LN2])
    assert found == pytest.approx([1, 2, 3, 1 / 8], rel=1e-12)


def test_the_response_has_the_product_of_its_tokens_ratios_up_to_the_cap() -> None:
    assert weights(Correction("sequence", cap=3.0), [LN2, -2 * LN2]) == pytest.approx([0.5, 0.5], rel=1e-12)
    assert weights(Correction("sequence", cap=3.0), [LN2, LN2]) == pytest.approx([3, 3], rel=1e-12)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_a_ratio_far_below_one_stays_above_zero(level: str) -> None:
    """Held at e^-20."""
    assert weights(Correction(level, cap=2.0), [-1e4]) == pytest.approx([math.exp(-20)], rel=1e-12)


def test_the_mean_weight_and_the_capped_share_are_told_over_tokens() -> None:
    """Weights 1, 2, 3, 3: two of four are cut."""
    found = Correction("token", cap=3.0).diagnose(batch_of([0, LN2, 2 * LN2, 3 * LN2]))
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {"correction/mean": 2.25, "correction/capped": 0.5}
    )


def test_a_correction_without_the_samplers_log_probabilities_is_refused() -> None:
    zeros_BT = torch.zeros(1, 2)
    batch = PolicyBatch(zeros_BT, zeros_BT, torch.ones(1), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="reads rollout_logp_BT, which the batch does not have"):
        Correction("token", cap=2.0)(batch)
