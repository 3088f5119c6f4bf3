from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.build import load_objective
from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.lens import MARGIN, curves, half_width, shared_log_ratios
from sspo_cli.objectives.objective import Objective

pytestmark = pytest.mark.slow


LENGTH = 4000
EVERY = [
    "cispo", "dapo", "dr_grpo", "gmpo", "gpg", "grpo", "gspo", "gspo_token", "ppo_clip", "reinforce", "rloo", "sapo",
    "scopic", "sft", "sspo", "vespo",
]  # fmt: skip


def multipliers(objective: Objective, ratios: list[float], sign: int) -> list[float]:
    return curves(objective, torch.tensor(ratios, dtype=torch.float64).log(), sign).multiplier_N.tolist()


def test_grpo_passes_the_ratio_inside_its_bounds_and_nothing_beyond() -> None:
    grpo = load_objective("grpo")
    ratios = [0.25, 0.79, 0.81, 1.0, 1.19, 1.21, 4.0]
    assert multipliers(grpo, ratios, 1) == pytest.approx([0.25, 0.79, 0.81, 1.0, 1.19, 0, 0])
    assert multipliers(grpo, ratios, -1) == pytest.approx([0, 0, 0.81, 1.0, 1.19, 1.21, 4.0])
    gate = curves(grpo, torch.tensor([0.5, 2.0], dtype=torch.float64).log(), 1).gate_N
    assert gate.tolist() == pytest.approx([0.5, 1.2])


def test_sspo_halves_a_token_where_tau_times_the_log_ratio_is_one() -> None:
    sspo = load_objective("sspo")
    assert multipliers(sspo, [math.exp(0.1), math.exp(-0.1), 1.0], 1) == pytest.approx([0.5, 0.5, 1])
    assert multipliers(sspo, [math.exp(1 / 12), math.exp(0.1)], -1) == pytest.approx([0.5, 1 / 2.44])


def test_a_gate_that_is_not_1_at_1_scales_every_token_of_a_geometric_pool() -> None:
    """SAPO's gate in SSPO: f(1) * kappa(r) = 2/tau * tau r (1 - sigma(tau (r - 1)))."""
    sspo = load_objective("sspo", ["objective/gate=sigmoid"])
    assert multipliers(sspo, [1.0, 2.0], 1) == pytest.approx([1.0, 4 * (1 - 1 / (1 + math.exp(-1)))])


@pytest.mark.parametrize(
    "words", [[name] for name in EVERY] + [["sspo", "objective/gate=sigmoid"], ["sspo", "objective.ratio=sequence"]]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_it_is_the_multiplier_in_a_long_response(words: list[str], sign: int) -> None:
    """One token moves alone where ratios are per token; else all of them, so that the response has the ratio."""
    objective = load_objective(words[0], words[1:])
    for log_ratio in (-0.9, -0.15, 0.1, 0.7):
        share = {"token": log_ratio, "product": log_ratio / LENGTH}.get(objective.ratio, log_ratio)
        logp_BT = torch.full((1, LENGTH), 0.0 if objective.ratio == "token" else share, dtype=torch.float64)
        logp_BT[0, 0] = share
        batch = PolicyBatch(
            logp_BT=logp_BT,
            old_logp_BT=torch.zeros_like(logp_BT),
            advantage_B=torch.tensor([float(sign)], dtype=torch.float64),
            mask_BT=torch.ones_like(logp_BT, dtype=torch.bool),
        )
        seen = curves(objective, torch.tensor([log_ratio]), sign).multiplier_N.item()
        assert seen == pytest.approx(objective.token_multiplier(batch)[0, 0].item(), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "positive", "negative"),
    [
        ("sspo", [math.exp(side * math.atan(200) / 10) for side in (-1, 1)],
         [math.exp(side * math.atan(240) / 12) for side in (-1, 1)]),
        ("sapo", [4 / (1 + math.e), 4], [4 / 1.05 / (1 + math.exp(1.05)), 4 / 1.05]),
        ("grpo", [0, 1.2], [0.8, math.inf]),
        ("gmpo", [0, math.exp(0.4)], [math.exp(-0.4), math.inf]),
        ("cispo", [0, 5], [0, 5]),
        ("vespo", [0, math.exp(1) * 4 / 9], [0, math.exp(-1) * 27 / 8]),
        ("sft", [1, 1], [1, 1]),
    ],
)  # fmt: skip
def test_the_range_of_the_sequence_weight(name: str, positive: list[float], negative: list[float]) -> None:
    objective = load_objective(name)
    assert curves(objective, torch.zeros(1), 1).weight == pytest.approx(positive, rel=1e-6)
    assert curves(objective, torch.zeros(1), -1).weight == pytest.approx(negative, rel=1e-6)


def test_the_range_of_log_arctan_is_that_of_its_formula_up_to_the_clamp() -> None:
    low, high = curves(load_objective("sspo"), torch.zeros(1), 1).weight
    assert (low, high) == pytest.approx((math.exp(-math.pi / 20), math.exp(math.pi / 20)), rel=6e-4)


def test_the_width_of_a_gate_is_where_half_of_the_multiplier_is_left() -> None:
    assert half_width(load_objective("sspo"), 1) == pytest.approx(0.1, rel=5e-3)
    assert half_width(load_objective("grpo"), 1) == pytest.approx(math.log(1.2), rel=5e-3)
    assert half_width(load_objective("gspo"), -1) == pytest.approx(3e-4, rel=5e-3)
    assert half_width(load_objective("sspo", ["objective/gate=identity"]), 1) is None


def test_the_ratios_span_the_widest_gate_and_at_most_an_eighth_to_eight() -> None:
    def extent(*names: str) -> float:
        log_ratio_N = shared_log_ratios([load_objective(name) for name in names])
        assert log_ratio_N[len(log_ratio_N) // 2] == 0
        assert torch.equal(log_ratio_N, -log_ratio_N.flip(0))
        return float(log_ratio_N[-1])

    assert extent("gspo") == pytest.approx(MARGIN * 4e-4, rel=5e-3)
    assert extent("gspo", "sspo") == pytest.approx(MARGIN * 0.1, rel=5e-3)
    assert extent("sspo", "grpo", "gspo") == pytest.approx(MARGIN * -math.log(0.8), rel=5e-3)
    assert extent("cispo") == math.log(8)


def test_neither_penalties_nor_a_correction_change_the_curves() -> None:
    log_ratio_N = torch.linspace(-1, 1, 5)
    plain = curves(load_objective("grpo"), log_ratio_N, -1)
    extras = ["objective.kl.coef=0.5", "objective.entropy_coef=0.1", "objective.correction.level=token"]
    extended = curves(load_objective("grpo", extras), log_ratio_N, -1)
    assert torch.equal(plain.multiplier_N, extended.multiplier_N) and plain.weight == extended.weight
