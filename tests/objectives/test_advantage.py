"""Advantages from rewards, by hand and by their laws."""

from __future__ import annotations

import math
from statistics import fmean

import pytest
import torch
from torch import Tensor

from sspo_cli.objectives.advantage import ADVANTAGES, tied

NAN = math.nan
GROUPED = ["group_zscore", "group_mean", "leave_one_out"]
CENTRED = [*GROUPED, "group_mean_rescaled", "batch_mean", "batch_zscore"]


def rewards(*groups: list[float]) -> Tensor:
    return torch.tensor(groups, dtype=torch.float64)


def random_rewards(seed: int) -> Tensor:
    """Five groups of six, some rewards unscored."""
    generator = torch.Generator().manual_seed(seed)
    reward_PG = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    return reward_PG.masked_fill(torch.rand(5, 6, generator=generator) < 0.2, NAN)


def test_group_mean_by_hand() -> None:
    """Means 1/4 and 2."""
    found = ADVANTAGES["group_mean"](rewards([1, 0, 0, 0], [1, 2, 2, 3]))
    assert found.tolist() == [[0.75, -0.25, -0.25, -0.25], [-1, 0, 0, 1]]


def test_group_zscore_by_hand() -> None:
    """Mean 1/2, squared deviations 4 * 1/4, unbiased variance 1/3."""
    found = ADVANTAGES["group_zscore"](rewards([1, 0, 0, 1]))
    a = 0.5 / (math.sqrt(1 / 3) + 1e-6)
    assert found[0].tolist() == pytest.approx([a, -a, -a, a], rel=1e-12)


def test_leave_one_out_by_hand() -> None:
    """1 - (2 + 6) / 2, 2 - (1 + 6) / 2, 6 - (1 + 2) / 2."""
    assert ADVANTAGES["leave_one_out"](rewards([1, 2, 6]))[0].tolist() == pytest.approx([-3, -1.5, 4.5], rel=1e-12)


def test_group_mean_rescaled_by_hand() -> None:
    """Two of three groups are not tied: R - mean, times 3/2."""
    found = ADVANTAGES["group_mean_rescaled"](rewards([1, 0], [1, 1], [0, 4]))
    assert found.tolist() == [[0.75, -0.75], [0, 0], [-3, 3]]


def test_group_mean_rescaled_is_group_mean_where_no_group_is_tied() -> None:
    reward_PG = random_rewards(1).nan_to_num(nan=7.0)
    assert torch.equal(ADVANTAGES["group_mean_rescaled"](reward_PG), ADVANTAGES["group_mean"](reward_PG))


def test_group_mean_rescaled_counts_a_group_without_scores_as_tied() -> None:
    found = ADVANTAGES["group_mean_rescaled"](rewards([1, 0], [NAN, NAN], [3, NAN]))
    assert found.tolist() == [[1.5, -1.5], [0, 0], [0, 0]]


def test_batch_mean_by_hand() -> None:
    """Mean 2 over both groups, the unscored left out."""
    found = ADVANTAGES["batch_mean"](rewards([1, 2, NAN], [0, 3, 4]))
    assert found.tolist() == [[-1, 0, 0], [-2, 1, 2]]


def test_batch_zscore_by_hand() -> None:
    """Mean 1 over both groups, squared deviations 1 + 1 + 1 + 1, unbiased variance 4/3."""
    found = ADVANTAGES["batch_zscore"](rewards([0, 2], [2, 0]))
    a = 1 / (math.sqrt(4 / 3) + 1e-6)
    assert found.flatten().tolist() == pytest.approx([-a, a, a, -a], rel=1e-12)


def test_none_is_the_reward_itself() -> None:
    assert ADVANTAGES["none"](rewards([3, -1, NAN])).tolist() == [[3, -1, 0]]


def test_unscored_rewards_are_left_out_of_the_statistics() -> None:
    """Scored 1, 0, 0.5: mean 1/2, unbiased variance 1/4, others' mean 1/4 and 3/4."""
    reward_PG = rewards([1, NAN, 0, 0.5, NAN])
    assert ADVANTAGES["group_mean"](reward_PG)[0].tolist() == pytest.approx([0.5, 0, -0.5, 0, 0])
    a = 0.5 / (0.5 + 1e-6)
    assert ADVANTAGES["group_zscore"](reward_PG)[0].tolist() == pytest.approx([a, 0, -a, 0, 0])
    assert ADVANTAGES["leave_one_out"](reward_PG)[0].tolist() == pytest.approx([0.75, 0, -0.75, 0, 0])


@pytest.mark.parametrize("name", ADVANTAGES)
def test_an_unscored_response_has_exactly_zero_advantage(name: str) -> None:
    for seed in range(20):
        reward_PG = random_rewards(seed)
        advantage_PG = ADVANTAGES[name](reward_PG)
        assert torch.isfinite(advantage_PG).all()
        assert (advantage_PG[reward_PG.isnan()] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CENTRED)
def test_tied_groups_are_exactly_zero(name: str, dtype: torch.dtype) -> None:
    for value in (0.0, 1.0, 0.1, 0.7, -1 / 3, 1e8 + 0.3):
        for group in ([value] * 3, [value] * 7, [value, NAN, value, value], [value, NAN], [NAN, NAN, NAN]):
            advantage_PG = ADVANTAGES[name](torch.tensor([group], dtype=dtype))
            assert torch.equal(advantage_PG, torch.zeros_like(advantage_PG))


@pytest.mark.parametrize("name", CENTRED)
def test_advantages_of_scored_responses_add_up_to_zero(name: str) -> None:
    for seed in range(20):
        advantage_PG = ADVANTAGES[name](random_rewards(seed))
        total = advantage_PG.sum() if name.startswith("batch") else advantage_PG.sum(-1)
        assert total.abs().max() < 1e-12


def test_leave_one_out_is_the_reward_minus_the_mean_of_the_others() -> None:
    for seed in range(20):
        reward_PG = random_rewards(seed)
        advantage_PG = ADVANTAGES["leave_one_out"](reward_PG)
        for group, found in zip(reward_PG.tolist(), advantage_PG.tolist(), strict=True):
            for k, reward in enumerate(group):
                others = [r for j, r in enumerate(group) if j != k and not math.isnan(r)]
                if others and not math.isnan(reward):
                    assert found[k] == pytest.approx(reward - fmean(others), rel=1e-12, abs=1e-12)


def test_leave_one_out_is_the_centred_reward_times_g_over_g_minus_one() -> None:
    reward_PG = torch.randn(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected_PG = ADVANTAGES["group_mean"](reward_PG) * 8 / 7
    torch.testing.assert_close(ADVANTAGES["leave_one_out"](reward_PG), expected_PG, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ADVANTAGES)
def test_the_order_within_a_group_does_not_matter(name: str) -> None:
    for seed in range(10):
        reward_PG = random_rewards(seed)
        order_G = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
        shuffled_PG = ADVANTAGES[name](reward_PG[:, order_G])
        torch.testing.assert_close(shuffled_PG, ADVANTAGES[name](reward_PG)[:, order_G], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", GROUPED)
def test_groups_do_not_see_each_other(name: str) -> None:
    reward_PG = random_rewards(3)
    alone_PG = torch.cat([ADVANTAGES[name](group_G[None]) for group_G in reward_PG])
    torch.testing.assert_close(ADVANTAGES[name](reward_PG), alone_PG, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", CENTRED)
def test_a_constant_added_to_every_reward_changes_nothing(name: str) -> None:
    reward_PG = random_rewards(4)
    shifted_PG = ADVANTAGES[name](reward_PG + 3)
    torch.testing.assert_close(shifted_PG, ADVANTAGES[name](reward_PG), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["group_zscore", "batch_zscore"])
def test_the_scale_of_the_rewards_does_not_matter(name: str) -> None:
    reward_PG = random_rewards(5)
    torch.testing.assert_close(ADVANTAGES[name](100 * reward_PG), ADVANTAGES[name](reward_PG), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", CENTRED)
@pytest.mark.parametrize("offset", [1.0, -1e4, 1e8, 1e12])
def test_a_constant_added_to_every_reward_changes_advantages_by_rounding_alone(name: str, offset: float) -> None:
    """By no more than eps |c| over the group's spread, for each of the few roundings on the way."""
    for seed in range(5):
        reward_PG = random_rewards(seed)
        moved_PG = ADVANTAGES[name](reward_PG + offset)
        spread = float(reward_PG.nan_to_num().std())
        rounding = 64 * torch.finfo(torch.float64).eps * max(1.0, abs(offset)) / spread
        torch.testing.assert_close(moved_PG, ADVANTAGES[name](reward_PG), rtol=rounding, atol=rounding)


@pytest.mark.parametrize("name", GROUPED)
def test_rewards_of_any_size_keep_their_advantages(name: str) -> None:
    found = ADVANTAGES[name](rewards([1e8, 1e8 + 1], [0, 1e300], [1e-7, 0]))
    assert (found[:, 0].sign() == -found[:, 1].sign()).all() and (found != 0).all() and found.isfinite().all()


@pytest.mark.parametrize(
    ("group", "size", "expected"),
    [
        ([1, 1 + 9e-9], None, True),
        ([1, 1 + 2e-8], None, False),
        ([1e8, 1e8 + 1e-7], None, True),
        ([1e8, 1e8 + 1], None, False),
        ([0, 1e-7], 1e8, True),
        ([0, 1e-6], 1e8, False),
        ([NAN, 1], None, True),
        ([NAN, NAN], None, True),
    ],
)
def test_a_group_ties_up_to_rounding(group: list[float], size: float | None, expected: bool) -> None:
    """max - min <= max(1e-8, 8 eps s), s the largest number that a reward was summed from."""
    size_P = None if size is None else torch.tensor([size], dtype=torch.float64)
    assert bool(tied(rewards(group), size_P)) is expected
    assert bool((ADVANTAGES["group_mean"](rewards(group), size_P) == 0).all()) is expected
