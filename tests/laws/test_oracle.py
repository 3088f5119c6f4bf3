"""An independent implementation in plain Python gives the same loss and gradient."""

from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.config.schema import ClipGate, LogClipGate, ObjectiveConfig, SoftGate
from sspo_cli.objectives.gate import CURVES

from . import oracle
from .cases import ALL, NAMED, Variant, config, evaluate, load, random_case


def value_of(config: ObjectiveConfig) -> oracle.Value:
    gate = config.gate
    if isinstance(gate, ClipGate):
        return oracle.clip(1 - gate.eps_low, 1 + gate.eps_high)
    if isinstance(gate, LogClipGate):
        return oracle.clip(math.exp(-gate.eps_low), math.exp(gate.eps_high))
    if isinstance(gate, SoftGate):
        return oracle.soft(gate.name, gate.tau_pos, gate.tau_neg, gate.one_sided)
    return oracle.identity if gate.name == "identity" else oracle.constant


def expect_agreement(variant: Variant, formula: oracle.Formula, normalize: str, cases: int) -> None:
    for seed in range(cases):
        batch, counts = random_case(seed, B=4, T=5)
        loss, gradient_BT, _ = evaluate(load(variant), batch, counts)
        expected_loss, expected_BT = oracle.update(
            formula,
            normalize,
            batch.logp_BT.numpy(),
            batch.old_logp_BT.numpy(),
            batch.advantage_B.numpy(),
            batch.mask_BT.numpy(),
            counts.responses,
            counts.tokens,
            counts.max_response_length,
        )
        assert loss.item() == pytest.approx(expected_loss, rel=1e-9, abs=1e-9), f"seed {seed}"
        torch.testing.assert_close(gradient_BT, torch.from_numpy(expected_BT), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_a_named_objective_is_its_papers_formula(variant: Variant) -> None:
    assert variant.name in oracle.NAMED, f"write the formula of {variant.name} into oracle.NAMED"
    expect_agreement(variant, *oracle.NAMED[variant.name], cases=200)


@pytest.mark.parametrize("variant", [variant for variant in ALL if variant.overrides], ids=str)
def test_every_gate_agrees_with_its_closed_form_under_every_pool(variant: Variant) -> None:
    chosen = config(variant)
    formula = oracle.pooled(value_of(chosen), chosen.pool, chosen.ratio, chosen.form)
    expect_agreement(variant, formula, chosen.normalize, cases=60)


def test_the_oracle_knows_every_curve() -> None:
    assert oracle.GATES.keys() == CURVES.keys()
