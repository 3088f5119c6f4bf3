"""A named objective is its paper's, and the two independent implementations cover all there is."""

from __future__ import annotations

import pytest
import torch

from sspo_cli.config.schema import CorrectionSection
from sspo_cli.laws import oracle
from sspo_cli.laws.cases import evaluate, random_case
from sspo_cli.objectives.gate import CURVES
from sspo_cli.objectives.ratio import RATIOS

from .cases import NAMED, Variant, config, load
from .papers import PAPERS, update

# What a paper adds to the surrogate, where it adds something.
EXTRAS: dict[str, dict[str, object]] = {
    "dapo": {"overlong": (1.0, 0.2), "dynamic_sampling": 10},
    "scopic": {"kl": (1.0, "old", "loss", "k3")},
    "sft": {"experience": "solutions"},
}
NO_EXTRAS: dict[str, object] = {
    "experience": "rollout",
    "kl": None,
    "entropy_coef": 0.0,
    "correction": CorrectionSection(level="none", cap=2.0),
    "overlong": None,
    "dynamic_sampling": 1,
}


@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_a_named_objective_is_its_papers_formula(variant: Variant) -> None:
    assert variant.name in PAPERS, f"write the formula of {variant.name} into PAPERS"
    for seed in range(200):
        batch, counts = random_case(seed, B=4, T=5)
        found = evaluate(load(variant), batch, counts)
        expected_loss, expected_BT = update(
            PAPERS[variant.name],
            batch.logp_BT.numpy(),
            batch.old_logp_BT.numpy(),
            batch.advantage_B.numpy(),
            batch.mask_BT.numpy(),
            counts.responses,
            counts.tokens,
            counts.max_response_length,
        )
        assert found.loss.item() == pytest.approx(expected_loss, rel=1e-9, abs=1e-9), f"seed {seed}"
        torch.testing.assert_close(found.gradient_BT, torch.from_numpy(expected_BT), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_a_named_objective_has_its_papers_advantage_and_extras(variant: Variant) -> None:
    chosen = config(variant)
    found = {
        "experience": chosen.experience,
        "kl": (chosen.kl.coef, chosen.kl.against, chosen.kl.place, chosen.kl.estimator) if chosen.kl.coef else None,
        "entropy_coef": chosen.entropy_coef,
        "correction": chosen.correction,
        "overlong": (chosen.overlong.penalty, chosen.overlong.buffer) if chosen.overlong.penalty else None,
        "dynamic_sampling": chosen.dynamic_sampling,
    }
    assert found == NO_EXTRAS | EXTRAS.get(variant.name, {})
    assert chosen.advantage == PAPERS[variant.name].advantage


def test_the_oracle_knows_every_curve_and_every_ratio() -> None:
    assert oracle.CURVES.keys() == CURVES.keys()
    assert oracle.RATIOS.keys() == RATIOS.keys()


def test_no_formula_is_left_of_an_objective_that_is_gone() -> None:
    assert PAPERS.keys() == {variant.name for variant in NAMED}
