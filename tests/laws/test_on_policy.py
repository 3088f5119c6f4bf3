"""At r = 1 every objective with f'(1) = 1 is the policy gradient under its own normaliser."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from .cases import ALL, POLICY, Variant, config, evaluate, load, omega, random_case


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_on_policy_gradient_is_the_policy_gradient(variant: Variant) -> None:
    for seed in range(10):
        batch, counts = random_case(seed)
        batch = replace(batch, old_logp_BT=batch.logp_BT)
        _, gradient_BT, _ = evaluate(load(variant), batch, counts)
        omega_B = omega(config(variant).normalize, batch, counts)
        share_B1 = (omega_B * batch.advantage_B / batch.mask_BT.sum(-1))[:, None]
        torch.testing.assert_close(gradient_BT, -share_B1 * batch.mask_BT, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("variant", POLICY, ids=str)
def test_on_policy_the_policy_objectives_share_one_gradient(variant: Variant) -> None:
    batch, counts = random_case(0)
    batch = replace(batch, old_logp_BT=batch.logp_BT)
    _, gradient_BT, _ = evaluate(load(variant), batch, counts)
    grpo = Variant("grpo", (f"objective.normalize={config(variant).normalize}",))
    _, grpo_BT, _ = evaluate(load(grpo), batch, counts)
    torch.testing.assert_close(gradient_BT, grpo_BT, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("variant", POLICY, ids=str)
def test_a_small_step_along_the_gradient_favours_positive_advantages(variant: Variant) -> None:
    batch, counts = random_case(1)
    batch = replace(batch, old_logp_BT=batch.logp_BT)
    _, gradient_BT, _ = evaluate(load(variant), batch, counts)
    step_B = -(gradient_BT * batch.mask_BT).sum(-1)
    assert torch.equal(step_B.sign(), batch.advantage_B.sign())
