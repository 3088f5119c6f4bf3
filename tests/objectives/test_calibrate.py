"""A calibrated gate has the width that was asked for."""

from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import SoftGateSection
from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.calibrate import tau_for_multiplier, tau_for_saturation
from sspo_cli.objectives.gate import CURVES
from sspo_cli.objectives.objective import Objective
from tests.laws.cases import SOFT_GATES, Variant, config, load

pytestmark = pytest.mark.slow


MANY_TOKENS = 20_000
AT_1_2 = "objective.gate.calibrate={at: 1.2, multiplier: 0.5}"
LOG_GATES = ["log_arctan", "log_erf", "log_softsign", "log_tanh"]


def taus(variant: Variant) -> tuple[float, float]:
    gate = config(variant).gate
    assert isinstance(gate, SoftGateSection)
    return gate.tau_pos, gate.tau_neg


def multipliers(objective: Objective, ratio: float) -> list[float]:
    """Of the one token of a long response that is off-policy: `ratio` where A > 0, 1/ratio where A < 0."""
    log_ratio_BT = torch.zeros(2, MANY_TOKENS, dtype=torch.float64)
    log_ratio_BT[:, 0] = torch.tensor([math.log(ratio), -math.log(ratio)])
    batch = PolicyBatch(
        log_ratio_BT,
        torch.zeros_like(log_ratio_BT),
        torch.tensor([1.0, -1.0], dtype=torch.float64),
        torch.ones_like(log_ratio_BT, dtype=torch.bool),
    )
    return objective.token_multiplier(batch)[:, 0].tolist()


def saturations(objective: Objective) -> list[float]:
    """f(r) / f(1) of a response of one token, at the smallest ratio where A < 0 and at the largest where A > 0."""
    log_ratio_BT = torch.tensor([[-20.0], [20.0], [0.0], [0.0]], dtype=torch.float64)
    advantage_B = torch.tensor([-1.0, 1.0, -1.0, 1.0], dtype=torch.float64)
    mask_BT = torch.ones_like(log_ratio_BT, dtype=torch.bool)
    weight_B = objective.weight(log_ratio_BT, PolicyBatch(log_ratio_BT, 0 * log_ratio_BT, advantage_B, mask_BT))
    return (weight_B[:2] / weight_B[2:]).tolist()


def test_arctan_in_sspo_has_half_the_multiplier_at_1_2_where_tau_l_is_one() -> None:
    """kappa = 1 / (1 + (tau l)^2) = 1/2, on both sides alike."""
    tau = 1 / math.log(1.2)
    assert taus(Variant("sspo", (AT_1_2,))) == pytest.approx((tau, tau), rel=1e-12)


@pytest.mark.parametrize(
    ("gate", "tau_l"),
    [
        ("log_erf", math.sqrt(2 * math.log(2))),
        ("log_softsign", math.sqrt(2 ** (2 / 3) - 1)),
        ("log_tanh", 2 * math.acosh(math.sqrt(2))),
    ],
)
def test_other_gates_in_log_space_have_it_where_their_kappa_is_a_half(gate: str, tau_l: float) -> None:
    """e^(-x^2/2), (1 + x^2)^(-3/2) and sech^2(x/2) with x = tau l."""
    tau = tau_l / math.log(1.2)
    assert taus(Variant("sspo", (f"objective/gate={gate}", AT_1_2))) == pytest.approx((tau, tau), rel=1e-12)


def test_sapo_has_half_the_multiplier_where_r_sech_squared_is_a_half() -> None:
    """r sech^2(tau (r - 1) / 2) = 1/2: tau = 2 acosh(sqrt(2 r)) / (r - 1), at r = 1.2 and at r = 1 / 1.2."""
    expected = [2 * math.acosh(math.sqrt(2 * r)) / abs(r - 1) for r in (1.2, 1 / 1.2)]
    assert taus(Variant("sapo", (AT_1_2,))) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("gate", "limit"),
    [
        ("log_arctan", math.pi / 2),
        ("log_erf", math.sqrt(math.pi / 2)),
        ("log_softsign", 1.0),
        ("log_tanh", 2.0),
    ],
)
def test_saturation_in_log_space_is_the_limit_of_the_log_gate(gate: str, limit: float) -> None:
    """limit / tau = log high, and -limit / tau = log low; with e^(+-0.4) arctan has tau = 3.93."""
    words = (f"objective/gate={gate}", "objective.gate.calibrate={low: 0.671, high: 1.49}")
    expected = (limit / math.log(1.49), -limit / math.log(0.671))
    # The solver looks at l = 300, where arctan is within 1/(300 tau) of its limit.
    assert taus(Variant("sspo", words)) == pytest.approx(expected, rel=1e-3)
    if gate == "log_arctan":
        assert taus(Variant("sspo", words)) == pytest.approx((3.93, 3.93), abs=0.015)


@pytest.mark.parametrize(("at", "multiplier"), [(1.2, 0.5), (2.0, 0.1), (1.5, 0.6)])
@pytest.mark.parametrize("gate", SOFT_GATES)
@pytest.mark.parametrize("name", ["sspo", "sapo"])
def test_the_multiplier_of_a_token_is_what_was_asked_for(name: str, gate: str, at: float, multiplier: float) -> None:
    words = (f"objective/gate={gate}", f"objective.gate.calibrate={{at: {at}, multiplier: {multiplier}}}")
    try:
        objective = load(Variant(name, words))
    except ConfigError:
        # SAPO's sigmoid inside SSPO weighs r < 1 by r and more, whatever tau; the other one would need tau < pi / 2.
        assert name == "sspo" and (gate == "sigmoid" or (gate, at) == ("arctan_log_ratio", 1.5))
        return
    assert multipliers(objective, at) == pytest.approx([multiplier, multiplier], rel=1e-4)


@pytest.mark.parametrize(("low", "high"), [(0.671, 1.49), (0.9, 1.1), (0.6, 1.9)])
@pytest.mark.parametrize("gate", LOG_GATES)
def test_the_weight_saturates_where_it_was_asked_to(gate: str, low: float, high: float) -> None:
    words = (f"objective/gate={gate}", f"objective.gate.calibrate={{low: {low}, high: {high}}}")
    for name in ("sspo", "sapo"):
        # At the clamp, r = e^20, the slowest of the curves is within 1/(tau^2 l^2) of its limit.
        assert saturations(load(Variant(name, words))) == pytest.approx([low, high], rel=3e-2)


@pytest.mark.parametrize("gate", ["sigmoid_unit", "arctan", "erf", "softsign"])
def test_gates_in_ratio_space_reach_their_floor_at_ratio_zero(gate: str) -> None:
    words = (f"objective/gate={gate}", "objective.gate.calibrate={low: 0.7, high: 1.3}")
    assert saturations(load(Variant("sapo", words))) == pytest.approx([0.7, 1.3], rel=1e-4)


def test_a_width_that_no_temperature_gives_is_one_line() -> None:
    """SAPO's sigmoid inside SSPO: f(1) kappa = 2 r sigma(-tau (r - 1)) is at least r where r < 1."""
    with pytest.raises(ConfigError) as caught:
        load(Variant("sspo", ("objective/gate=sigmoid", AT_1_2)))
    assert len(caught.value.problems) == 1
    for part in ("objective.gate.calibrate", "sigmoid", "geometric", "multiplier 0.5 at ratio 0.8333"):
        assert part in caught.value.problems[0]
    assert "at ratio 1.2" not in caught.value.problems[0]


def test_the_raw_sigmoid_saturates_at_twice_its_middle_whatever_the_temperature() -> None:
    with pytest.raises(ConfigError, match=r"saturation at 1\.3;"):
        load(Variant("sapo", ("objective.gate.calibrate={low: 0.7, high: 1.3}",)))


def test_both_sides_that_cannot_be_had_are_named_in_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Variant("sspo", ("objective.gate.calibrate={at: 1.2, multiplier: 3}",)))
    assert len(caught.value.problems) == 1
    assert "multiplier 3 at ratio 1.2 nor multiplier 3 at ratio 0.8333" in caught.value.problems[0]


def test_the_gate_that_needs_tau_above_half_pi_is_not_given_a_smaller_one() -> None:
    """f = 1 + arctan(tau l) / tau goes to 1 + pi / (2 tau), so that 2.5 asks for tau = pi / 3."""
    with pytest.raises(ConfigError, match=r"saturation at 2\.5"):
        load(Variant("sspo", ("objective/gate=arctan_log_ratio", "objective.gate.calibrate={low: 0.7, high: 2.5}")))


def test_a_calibration_that_cannot_be_had_at_all_is_none() -> None:
    assert tau_for_multiplier(CURVES["log_arctan"], "geometric", at=1.2, multiplier=1.5) is None
    assert tau_for_saturation(CURVES["log_arctan"], at=math.inf, limit=0.9) is None
