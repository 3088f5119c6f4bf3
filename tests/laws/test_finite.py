"""Zero advantage is exactly nothing; extreme log-ratios stay finite and are counted."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from sspo_cli.objectives import Counts, PolicyBatch

from .cases import ALL, NAMED, Variant, evaluate, load, random_case, rows

FEW_TOKENS = 12


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_zero_advantage_gives_exactly_zero_loss_and_gradient(variant: Variant) -> None:
    for seed in range(4):
        batch, counts = random_case(seed)
        neutral_B = batch.advantage_B == 0
        _, gradient_BT, _ = evaluate(load(variant), batch, counts)
        assert neutral_B.any() and (gradient_BT[neutral_B] == 0).all()
        loss, _, _ = evaluate(load(variant), rows(batch, neutral_B.nonzero()[:, 0]), counts)
        assert loss == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("variant", ALL, ids=str)
def test_extreme_log_ratios_stay_finite_and_are_counted(variant: Variant, dtype: torch.dtype) -> None:
    for extreme in ([1e4], [-1e4], [1e4, -1e4], [1e4, 0.1, -0.1], [20, -20], [19.9, -19.9]):
        pattern_T = torch.tensor(extreme, dtype=dtype).repeat(FEW_TOKENS)[:FEW_TOKENS]
        batch = PolicyBatch(
            logp_BT=torch.full((3, FEW_TOKENS), -1.0, dtype=dtype),
            old_logp_BT=(-1 - pattern_T).expand(3, FEW_TOKENS),
            advantage_B=torch.tensor([1.5, -1.5, 0.0], dtype=dtype),
            mask_BT=torch.ones(3, FEW_TOKENS, dtype=torch.bool),
        )
        loss, gradient_BT, out = evaluate(load(variant), batch, Counts(3, 3 * FEW_TOKENS, FEW_TOKENS))
        assert torch.isfinite(loss) and torch.isfinite(gradient_BT).all()
        not_finite = {name: value.item() for name, value in out.metrics.items() if not torch.isfinite(value)}
        assert not not_finite, f"log-ratios {extreme}"
        beyond = sum(abs(value) > 20 for value in extreme) / len(extreme)
        assert out.metrics["ratio/clamped"].item() == pytest.approx(beyond, abs=1e-6)


@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_log_ratios_beyond_twenty_count_as_twenty(variant: Variant) -> None:
    batch, counts = random_case(0, spread=0.0)
    far = replace(batch, old_logp_BT=batch.logp_BT - 1e4)
    limit = replace(batch, old_logp_BT=batch.logp_BT - 20)
    far_loss, _, _ = evaluate(load(variant), far, counts)
    limit_loss, _, _ = evaluate(load(variant), limit, counts)
    torch.testing.assert_close(far_loss, limit_loss, rtol=1e-9, atol=0)


def test_the_clamp_holds_a_ratio_at_e_to_the_twenty() -> None:
    """One token, A = 1, l = 30, no gate: loss = -e^20, and beyond the clamp there is no gradient."""
    batch = PolicyBatch(
        torch.tensor([[-1.0]]), torch.tensor([[-31.0]]), torch.ones(1), torch.ones(1, 1, dtype=torch.bool)
    )
    loss, gradient_BT, out = evaluate(load(Variant("grpo", ("objective/gate=identity",))), batch, Counts(1, 1, 1))
    assert loss.item() == pytest.approx(-math.exp(20))
    assert gradient_BT.item() == 0
    assert out.metrics["ratio/clamped"].item() == 1
