"""How an update is cut, ordered and padded changes nothing; what is masked is never read."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sspo_cli.objectives import PolicyBatch
from sspo_cli.objectives.ratio import raw_log_ratio, token_log_ratio

from .cases import ALL, Variant, columns, evaluate, load, random_case, rows

SEEDS = range(4)


def assert_same(actual: Tensor, expected: Tensor) -> None:
    """Equal but for the order in which torch adds numbers, which depends on how many there are."""
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)


def parts_add_up(variant: Variant, parts: list[Tensor], seed: int) -> None:
    batch, counts = random_case(seed)
    loss, gradient_BT, _ = evaluate(load(variant), batch, counts)
    shares = [evaluate(load(variant), rows(batch, part), counts) for part in parts]
    assert_same(torch.stack([share for share, _, _ in shares]).sum(), loss)
    assert_same(torch.cat([gradient for _, gradient, _ in shares]), gradient_BT[torch.cat(parts)])


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_micro_batches_of_any_size_add_up_to_the_update(variant: Variant) -> None:
    for seed in SEEDS:
        for size in (1, 2, 4):
            parts_add_up(variant, [torch.arange(first, min(first + size, 6)) for first in range(0, 6, size)], seed)


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_ranks_that_take_every_kth_response_add_up_to_the_update(variant: Variant) -> None:
    for seed in SEEDS:
        for ranks in (2, 3, 4):
            parts_add_up(variant, [torch.arange(6)[rank::ranks] for rank in range(ranks)], seed)


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_the_order_of_responses_and_of_tokens_does_not_matter(variant: Variant) -> None:
    for seed in SEEDS:
        batch, counts = random_case(seed)
        loss, gradient_BT, _ = evaluate(load(variant), batch, counts)
        generator = torch.Generator().manual_seed(seed)
        order_B, order_T = torch.randperm(6, generator=generator), torch.randperm(7, generator=generator)
        shuffled = columns(rows(batch, order_B), order_T)
        shuffled_loss, shuffled_BT, _ = evaluate(load(variant), shuffled, counts)
        assert_same(shuffled_loss, loss)
        assert_same(shuffled_BT, gradient_BT[order_B][:, order_T])


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_padding_to_any_length_changes_nothing(variant: Variant) -> None:
    for seed in SEEDS:
        batch, counts = random_case(seed)
        loss, gradient_BT, _ = evaluate(load(variant), batch, counts)
        for extra in (1, 2, 9, 57):
            padded = pad(batch, extra)
            padded_loss, padded_BT, _ = evaluate(load(variant), padded, counts)
            assert_same(padded_loss, loss)
            assert_same(padded_BT[:, :7], gradient_BT)
            assert (padded_BT[:, 7:] == 0).all()


def pad(batch: PolicyBatch, extra: int) -> PolicyBatch:
    generator = torch.Generator().manual_seed(extra)
    padding_BT = torch.randn(6, extra, generator=generator, dtype=torch.float64)
    return PolicyBatch(
        torch.cat([batch.logp_BT, padding_BT], dim=1),
        torch.cat([batch.old_logp_BT, -padding_BT], dim=1),
        batch.advantage_B,
        torch.cat([batch.mask_BT, torch.zeros_like(padding_BT, dtype=torch.bool)], dim=1),
    )


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("variant", ALL, ids=str)
def test_masked_nan_and_inf_are_never_read(variant: Variant, poison: float) -> None:
    batch, counts = random_case(3)
    loss, gradient_BT, out = evaluate(load(variant), batch, counts)
    for names in (["logp_BT"], ["old_logp_BT"], ["logp_BT", "old_logp_BT"]):
        dirty = {name: getattr(batch, name).masked_fill(~batch.mask_BT, poison) for name in names}
        dirty_loss, dirty_BT, dirty_out = evaluate(load(variant), replace(batch, **dirty), counts)
        assert torch.equal(dirty_loss, loss)
        assert torch.equal(dirty_BT, gradient_BT)
        assert (dirty_BT[~batch.mask_BT] == 0).all()
        assert all(torch.equal(dirty_out.metrics[name], value) for name, value in out.metrics.items())


@pytest.mark.parametrize("poison", [math.nan, math.inf, 3.0])
def test_log_ratios_are_zero_where_masked_and_pass_no_gradient_there(poison: float) -> None:
    batch, _ = random_case(3)
    logp_BT = batch.logp_BT.masked_fill(~batch.mask_BT, poison).requires_grad_()
    for log_ratio in (raw_log_ratio, token_log_ratio):
        log_ratio_BT = log_ratio(replace(batch, logp_BT=logp_BT))
        assert (log_ratio_BT[~batch.mask_BT] == 0).all()
        (gradient_BT,) = torch.autograd.grad(log_ratio_BT.sum(), logp_BT)
        assert torch.equal(gradient_BT, batch.mask_BT.to(gradient_BT.dtype))


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_a_response_without_tokens_has_no_gradient_and_disturbs_no_other(variant: Variant) -> None:
    batch, counts = random_case(2)
    mask_BT = batch.mask_BT.clone()
    mask_BT[0] = False
    _, gradient_BT, out = evaluate(load(variant), replace(batch, mask_BT=mask_BT), counts)
    _, rest_BT, _ = evaluate(load(variant), rows(batch, torch.arange(1, 6)), counts)
    assert (gradient_BT[0] == 0).all()
    assert_same(gradient_BT[1:], rest_BT)
    assert all(torch.isfinite(value) for value in out.metrics.values())
