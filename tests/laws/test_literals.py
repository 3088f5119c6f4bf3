"""Losses and gradients worked out by hand, for one response of two tokens unless stated."""

from __future__ import annotations

import math

import pytest
import torch

from sspo_cli.objectives import Counts, PolicyBatch

from .cases import Variant, evaluate, load

LN3 = math.log(3)


def check(variant: Variant, log_ratios: list[float], advantage: float, loss: float, gradient: list[float]) -> None:
    log_ratio_BT = torch.tensor([log_ratios], dtype=torch.float64)
    batch = PolicyBatch(
        logp_BT=torch.full_like(log_ratio_BT, -2),
        old_logp_BT=-2 - log_ratio_BT,
        advantage_B=torch.tensor([advantage], dtype=torch.float64),
        mask_BT=torch.ones_like(log_ratio_BT, dtype=torch.bool),
    )
    counts = Counts(responses=1, tokens=len(log_ratios), max_response_length=len(log_ratios))
    actual, gradient_BT, _ = evaluate(load(variant), batch, counts)
    assert actual.item() == pytest.approx(loss, rel=1e-12)
    assert gradient_BT[0].tolist() == pytest.approx(gradient, rel=1e-12, abs=1e-15)


def test_grpo_holds_a_ratio_above_one_point_two_when_the_advantage_is_positive() -> None:
    """A = 1, r = (1.5, 0.9): J = (1.2 + 0.9) / 2 = 1.05; the first token is clipped, the second has weight 0.9 / 2."""
    check(Variant("grpo"), [math.log(1.5), math.log(0.9)], 1, -1.05, [0, -0.45])


def test_grpo_holds_a_ratio_below_zero_point_eight_when_the_advantage_is_negative() -> None:
    """A = -2, r = (1.5, 0.5): min(-3, -2.4) = -3 and min(-1, -1.6) = -1.6, so J = -2.3; dJ = -2 * 1.5 / 2 and 0."""
    check(Variant("grpo"), [math.log(1.5), math.log(0.5)], -2, 2.3, [1.5, 0])


def test_gspo_sees_only_the_geometric_mean_of_the_ratios() -> None:
    """A = 1, r = (2, 1/2): s = 1, inside the bounds; J = 1 and each token has weight 1/2."""
    check(Variant("gspo"), [math.log(2), -math.log(2)], 1, -1, [-0.5, -0.5])


def test_gspo_clips_a_response_as_a_whole() -> None:
    """r = (4, 1): s = 2. A = 1: J = 1.0004 without gradient. A = -1: J = -2 and each token has weight 2/2."""
    check(Variant("gspo"), [math.log(4), 0], 1, -1.0004, [0, 0])
    check(Variant("gspo"), [math.log(4), 0], -1, 2, [1, 1])


def test_gmpo_clips_in_log_space_but_keeps_the_clipped_token_in_the_weight() -> None:
    """A = 1, l = (0.6, -0.2) -> (0.4, -0.2), mean 0.1. A = -1, l = (0.6, -0.6) -> (0.6, -0.4), mean 0.1."""
    w = math.exp(0.1)
    check(Variant("gmpo"), [0.6, -0.2], 1, -w, [0, -w / 2])
    check(Variant("gmpo"), [0.6, -0.6], -1, w, [w / 2, 0])


def test_sapo_with_positive_advantage() -> None:
    """tau = 1, r = (1, 1 + ln 3): sigma = (1/2, 3/4), f = (2, 3), J = 2.5; f' = 4 p (1 - p) = (1, 3/4), times r."""
    check(Variant("sapo"), [0, math.log(1 + LN3)], 1, -2.5, [-0.5, -0.375 * (1 + LN3)])


def test_sapo_with_negative_advantage() -> None:
    """tau = 1.05, r = (1, 1 + ln 3 / 1.05): f = (2, 3) / 1.05, J = -2.5 / 1.05; f' = (1, 3/4) again."""
    r = 1 + LN3 / 1.05
    check(Variant("sapo"), [0, math.log(r)], -1, 2.5 / 1.05, [0.5, 0.375 * r])


def test_sspo_with_positive_advantage() -> None:
    """tau = 10, l = (0.1, 0): log f = (atan(1) / 10, 0), w = e^(pi / 80), kappa = 1 / (1 + (tau l)^2) = (1/2, 1)."""
    w = math.exp(math.pi / 80)
    check(Variant("sspo"), [0.1, 0], 1, -w, [-w / 4, -w / 2])


def test_sspo_with_negative_advantage() -> None:
    """tau = 12, A = -3, l = (-1/12, 0): log f = (-pi / 48, 0), w = e^(-pi / 96), kappa = (1/2, 1)."""
    w = math.exp(-math.pi / 96)
    check(Variant("sspo"), [-1 / 12, 0], -3, 3 * w, [3 * w / 4, 3 * w / 2])


def test_sft_is_minus_the_mean_log_probability_whatever_the_ratio() -> None:
    """log pi = -2 at both tokens: J = -2, and each token has weight 1/2."""
    check(Variant("sft"), [0.3, -5], 1, 2, [-0.5, -0.5])


def test_score_form_holds_the_clipped_ratio_constant() -> None:
    """A = 1, r = (1.5, 0.9), log pi = -2: J = -2 (1.2 + 0.9) / 2 = -2.1; weights 1.2 / 2 and 0.9 / 2."""
    check(Variant("grpo", ("objective.form=score",)), [math.log(1.5), math.log(0.9)], 1, 2.1, [-0.6, -0.45])


@pytest.mark.parametrize(
    ("normalize", "short", "long"), [("response", 1 / 2, 1 / 6), ("token", 1 / 4, 1 / 4), ("constant", 1 / 10, 1 / 10)]
)
def test_normalizers_weigh_the_tokens_of_a_short_and_a_long_response(normalize: str, short: float, long: float) -> None:
    """Lengths 1 and 3 at r = 1, A = 1: 1/(N T_i) = 1/2, 1/6; 1/(all tokens) = 1/4; 1/(N max length) = 1/(2 * 5)."""
    logp_BT = torch.full((2, 3), -1.0, dtype=torch.float64)
    mask_BT = torch.tensor([[True, False, False], [True, True, True]])
    batch = PolicyBatch(logp_BT, logp_BT, torch.ones(2, dtype=torch.float64), mask_BT)
    objective = load(Variant("grpo", (f"objective.normalize={normalize}",)))
    _, gradient_BT, _ = evaluate(objective, batch, Counts(responses=2, tokens=4, max_response_length=5))
    expected_BT = -torch.tensor([[short, 0, 0], [long, long, long]], dtype=torch.float64)
    torch.testing.assert_close(gradient_BT, expected_BT, rtol=1e-12, atol=0)
