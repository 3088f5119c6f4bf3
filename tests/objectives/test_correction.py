"""Weights and masks for the gap between sampler and trainer, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.correction import Correction, Mask, NegativeMask, Weight

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


def factors(correction: Correction, log_ratios: list[float]) -> list[float]:
    return correction(batch_of(log_ratios), weighted=True)[0, :-1].tolist()


def weights(level: str, floor: float, cap: float, log_ratios: list[float]) -> list[float]:
    return factors(Correction(Weight(level, floor, cap)), log_ratios)


def kept(mask: Mask, log_ratios: list[float]) -> list[float]:
    return factors(Correction(mask=mask), log_ratios)


def test_each_token_has_its_own_ratio_between_floor_and_cap() -> None:
    ratios = [0, LN2, 2 * LN2, -3 * LN2]
    assert weights("token", 0.0, 3.0, ratios) == pytest.approx([1, 2, 3, 1 / 8], rel=1e-12)
    assert weights("token", 0.25, math.inf, ratios) == pytest.approx([1, 2, 4, 1 / 4], rel=1e-12)


def test_the_response_has_the_product_of_its_tokens_ratios_between_floor_and_cap() -> None:
    assert weights("sequence", 0.0, 3.0, [LN2, -2 * LN2]) == pytest.approx([0.5, 0.5], rel=1e-12)
    assert weights("sequence", 0.0, 3.0, [LN2, LN2]) == pytest.approx([3, 3], rel=1e-12)
    assert weights("sequence", 0.4, 3.0, [-LN2, -LN2]) == pytest.approx([0.4, 0.4], rel=1e-12)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_a_ratio_far_below_one_stays_above_zero(level: str) -> None:
    """Held at e^-20."""
    assert weights(level, 0.0, 2.0, [-1e4]) == pytest.approx([math.exp(-20)], rel=1e-12)


def test_a_token_outside_the_band_is_left_out() -> None:
    """Ratios 1, 4, 1/4, 2, 1/2."""
    assert kept(Mask("token", 0.49, 2.01), [0, 2 * LN2, -2 * LN2, LN2, -LN2]) == [1, 0, 0, 1, 1]
    assert kept(Mask("token", 0.0, 2.01), [0, 2 * LN2, -50, LN2, -LN2]) == [1, 0, 1, 1, 1]


def test_a_response_outside_the_band_is_left_out_by_product_or_by_geometric_mean() -> None:
    """Ratios (2, 2): the product is 4, the geometric mean 2."""
    assert kept(Mask("sequence", 0.5, 2.0), [LN2, LN2]) == [0, 0]
    assert kept(Mask("sequence_mean", 0.5, 2.01), [LN2, LN2]) == [1, 1]
    assert kept(Mask("sequence_mean", 0.5, 2.0), [-4 * LN2, LN2]) == [0, 0]
    assert kept(Mask("sequence", 0.5, 2.0), [-3 * LN2, 3 * LN2]) == [1, 1]


def test_a_mask_zeroes_the_weight_of_what_it_leaves_out() -> None:
    """IcePop: the ratio inside the band, 0 outside."""
    icepop = Correction(Weight("token", 0.0, math.inf), Mask("token", 0.4, 3.0))
    assert factors(icepop, [LN2, 2 * LN2, -LN2]) == pytest.approx([2, 0, 0.5], rel=1e-12)


@pytest.mark.parametrize(("advantage", "distance", "stays"), [(-1, 0.3, 0), (-1, 0.1, 1), (-1, -9, 1), (1, 0.3, 1)])
def test_a_response_of_negative_advantage_far_from_its_sampler_is_left_out(
    advantage: float, distance: float, stays: int
) -> None:
    """log(sampler / current) is 2 x distance and 0 at two tokens: its mean is `distance`, the masked 50 is not read."""
    old_BT = torch.tensor([[2 * distance, 0.0, 50.0]], dtype=torch.float64)
    batch = PolicyBatch(
        logp_BT=torch.zeros_like(old_BT),
        old_logp_BT=old_BT,
        advantage_B=torch.tensor([advantage], dtype=torch.float64),
        mask_BT=torch.tensor([[True, True, False]]),
        rollout_logp_BT=torch.full_like(old_BT, 9 * distance),
    )
    assert NegativeMask(0.2, "old_logp_BT")(batch).tolist() == [stays]
    assert NegativeMask(2.0, "rollout_logp_BT")(batch).tolist() == [stays]


def test_the_share_of_each_part_is_told() -> None:
    """Of ratios 1, 2, 4, 8 the cap 5 cuts one to weights 1, 2, 4, 5, and three are at most 4; of their inverses one is
    below 0.2."""
    batch = batch_of([0, LN2, 2 * LN2, 3 * LN2])
    assert numbers(Correction(Weight("token", 0.0, 5.0)), batch) == {"correction/mean": 3, "correction/capped": 0.25}
    assert numbers(Correction(mask=Mask("token", 0.5, 4.01)), batch) == {"correction/masked": 0.25}
    low = batch_of([0, -LN2, -2 * LN2, -3 * LN2])
    assert numbers(Correction(Weight("token", 0.2, 3.0)), low)["correction/floored"] == 0.25
    assert numbers(Correction(negatives=NegativeMask(0.2, "old_logp_BT")), batch) == {"correction/dropped": 0}


def numbers(correction: Correction, batch: PolicyBatch) -> dict[str, float]:
    return {name: round(value.item(), 9) for name, value in correction.diagnose(batch).items()}


def test_a_correction_without_the_samplers_log_probabilities_is_refused() -> None:
    zeros_BT = torch.zeros(1, 2)
    batch = PolicyBatch(zeros_BT, zeros_BT, torch.ones(1), torch.ones(1, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="reads rollout_logp_BT, which the batch does not have"):
        Correction(Weight("token", 0.0, 2.0))(batch, weighted=True)
