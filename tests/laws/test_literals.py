"""Losses and gradients worked out by hand, for one response of two tokens unless stated."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sspo_cli.laws.cases import evaluate
from sspo_cli.objectives.batch import Counts, PolicyBatch

from .cases import Variant, load

LN3 = math.log(3)


def check(
    variant: Variant,
    log_ratios: list[float],
    advantage: float,
    loss: float,
    gradient: list[float],
    rollout: list[float] | None = None,
    reference: list[float] | None = None,
    entropy: list[float] | None = None,
) -> None:
    """log pi = -2 at every token. rollout: log pi_old - log pi_rollout; reference: log pi_reference - log pi."""
    zeros = [0.0] * len(log_ratios)

    def row(values: list[float] | None) -> Tensor:
        return torch.tensor([values or zeros], dtype=torch.float64)

    logp_BT = row(None) - 2
    old_logp_BT = logp_BT - row(log_ratios)
    batch = PolicyBatch(
        logp_BT,
        old_logp_BT,
        advantage_B=torch.tensor([advantage], dtype=torch.float64),
        mask_BT=torch.ones_like(logp_BT, dtype=torch.bool),
        rollout_logp_BT=old_logp_BT - row(rollout),
        reference_logp_BT=logp_BT + row(reference),
        entropy_BT=row(entropy),
    )
    counts = Counts(responses=1, tokens=len(log_ratios), max_response_length=len(log_ratios))
    found = evaluate(load(variant), batch, counts)
    assert found.loss.item() == pytest.approx(loss, rel=1e-12)
    assert found.gradient_BT[0].tolist() == pytest.approx(gradient, rel=1e-12, abs=1e-15)


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


def test_dual_clip_holds_a_ratio_above_its_ceiling_when_the_advantage_is_negative_only() -> None:
    """r = (4, 2), ceiling 3. A = -1: max(-4, -3) = -3 without gradient, J = -(3 + 2) / 2. A = 1: both at 1.2."""
    dual = Variant("grpo", ("objective.gate.dual_clip=3",))
    check(dual, [math.log(4), math.log(2)], -1, 2.5, [0, 1])
    check(dual, [math.log(4), math.log(2)], 1, -1.2, [0, 0])


def test_cispo_caps_the_weight_on_both_signs_and_silences_no_token() -> None:
    """log pi = -2, r = (8, 0.5), weights (5, 0.5) / 2 times A: J = -2 * 2.75 A."""
    check(Variant("cispo"), [math.log(8), math.log(0.5)], 1, 5.5, [-2.5, -0.25])
    check(Variant("cispo"), [math.log(8), math.log(0.5)], -1, -5.5, [2.5, 0.25])


def test_vespo_weighs_a_response_by_the_product_of_its_ratios() -> None:
    """r = (4, 1/2), W = 2. A = 1: f = 2^2 e^(3 - 6), J = -2 f. A = -1: f = 2^3 e^(2 - 4), J = 2 f."""
    check(Variant("vespo"), [math.log(4), -math.log(2)], 1, 8 * math.exp(-3), [-2 * math.exp(-3)] * 2)
    check(Variant("vespo"), [math.log(4), -math.log(2)], -1, -16 * math.exp(-2), [4 * math.exp(-2)] * 2)


def test_vespo_takes_the_correction_into_its_product() -> None:
    """r = (4, 1/2) and trainer over sampler (3, 1), the first held at 2: W = 2 * 2. A = 1: f = 4^2 e^(3 - 12)."""
    f = 16 * math.exp(-9)
    corrected = Variant("vespo", ("objective.correction.level=token",))
    check(corrected, [math.log(4), -math.log(2)], 1, 2 * f, [-f / 2] * 2, rollout=[LN3, 0])


def test_rloo_moves_every_token_by_the_whole_product_and_clips_it_as_a_whole() -> None:
    """r = (2, 1/2): W = 1, J = A, slope 1 at each token. r = (2, 3): W = 6, J = 1.2 if A = 1, -6 if A = -1."""
    check(Variant("rloo"), [math.log(2), -math.log(2)], 1, -1, [-1, -1])
    check(Variant("rloo"), [math.log(2), math.log(3)], 1, -1.2, [0, 0])
    check(Variant("rloo"), [math.log(2), math.log(3)], -1, 6, [6, 6])


def test_gspo_token_has_the_value_of_the_sequence_ratio_at_every_token() -> None:
    """r = (4, 1), s = 2, A = -1: J = -2, slope 2 / 2 at each token."""
    check(Variant("gspo_token"), [math.log(4), 0], -1, 2, [1, 1])


def test_reinforce_is_minus_the_sum_of_the_log_probabilities() -> None:
    """log pi = -2 at both tokens, A = 3: J = 3 * -4, slope 3 at each token whatever the ratio."""
    check(Variant("reinforce"), [0.3, -5], 3, 12, [-3, -3])


def test_the_arctan_of_the_log_ratio_read_as_the_gate_itself() -> None:
    """tau = 10, l = (0.1, 0), A = 1: f = (1 + pi / 40, 1), kappa = (1/2, 0) / f + (0, 1), w = sqrt(1 + pi / 40)."""
    f = 1 + math.pi / 40
    w = math.sqrt(f)
    check(Variant("sspo", ("objective/gate=arctan_log_ratio",)), [0.1, 0], 1, -w, [-w / 4 / f, -w / 2])


KL = [
    ("k1", [-math.log(2), math.log(4)], [-1, -1]),
    ("k2", [math.log(2) ** 2 / 2, math.log(4) ** 2 / 2], [math.log(2), -math.log(4)]),
    ("k3", [2 - 1 - math.log(2), 1 / 4 - 1 + math.log(4)], [1, -3 / 4]),
]


@pytest.mark.parametrize(("estimator", "values", "slopes"), KL)
def test_the_kl_from_the_old_policy(estimator: str, values: list[float], slopes: list[float]) -> None:
    """A = 0, x = log pi - log pi_old = (ln 2, -ln 4): -x, x^2 / 2, e^x - 1 - x and their slopes, times 3 / 2."""
    penalized = Variant(
        "grpo", ("objective.kl.coef=3", "objective.kl.against=old", f"objective.kl.estimator={estimator}")
    )
    check(penalized, [math.log(2), -math.log(4)], 0, 1.5 * sum(values), [1.5 * slope for slope in slopes])


@pytest.mark.parametrize(("estimator", "values", "slopes"), KL)
def test_the_kl_to_the_reference_policy(estimator: str, values: list[float], slopes: list[float]) -> None:
    """A = 0, x = log pi_reference - log pi = (ln 2, -ln 4): the same values, slopes of the other sign."""
    penalized = Variant("grpo", ("objective.kl.coef=3", f"objective.kl.estimator={estimator}"))
    check(
        penalized,
        [0.1, 0.2],
        0,
        1.5 * sum(values),
        [-1.5 * slope for slope in slopes],
        reference=[math.log(2), -math.log(4)],
    )


def test_scopic_takes_the_divergence_from_the_gate() -> None:
    """tau = 2, A = 1, r = (1, 2): f = (1, 2 sigma(2)), J = mean(f) - (2 - 1 - ln 2) / 2.

    Weights r sech^2(r - 1) - (r - 1).
    """
    f = 2 / (1 + math.exp(-2))
    second = 2 / math.cosh(1) ** 2 - 1
    check(Variant("scopic"), [0, math.log(2)], 1, -(1 + f) / 2 + (1 - math.log(2)) / 2, [-0.5, -second / 2])


def test_a_kl_penalty_given_to_the_reward_is_not_in_the_loss() -> None:
    rewarded = Variant("grpo", ("objective.kl.coef=3", "objective.kl.place=reward"))
    check(rewarded, [0, 0], 1, -1, [-0.5, -0.5], reference=[1, 2])


def test_the_entropy_bonus_is_the_mean_entropy() -> None:
    """A = 0, entropies 1 and 3: J = 0.1 * 2."""
    check(Variant("grpo", ("objective.entropy_coef=0.1",)), [0.3, 0.4], 0, -0.2, [0, 0], entropy=[1, 3])


def test_a_correction_weighs_each_token_by_the_old_policy_over_the_sampler_up_to_the_cap() -> None:
    """old / rollout = (1/2, 4) -> (1/2, 2): A = 1, r = (0.9, 1.1): J = (0.45 + 2.2) / 2."""
    corrected = Variant("grpo", ("objective.correction.level=token",))
    log_ratios = [math.log(0.9), math.log(1.1)]
    check(corrected, log_ratios, 1, -1.325, [-0.225, -1.1], rollout=[-math.log(2), math.log(4)])


def test_a_correction_of_the_response_is_the_product_over_its_tokens() -> None:
    """old / rollout = (1/2, 3), product 3/2: both tokens get it. (2, 4): 8, held at 2."""
    corrected = Variant("grpo", ("objective.correction.level=sequence",))
    check(corrected, [0, 0], 1, -1.5, [-0.75, -0.75], rollout=[-math.log(2), math.log(3)])
    check(corrected, [0, 0], 1, -2, [-1, -1], rollout=[math.log(2), math.log(4)])


def test_a_correction_weighs_the_log_probability_of_the_score_form() -> None:
    """old / rollout = (1/2, 4) -> (1/2, 2), r = 1, log pi = -2, A = 1: J = -2 (1/2 + 2) / 2."""
    corrected = Variant("cispo", ("objective.correction.level=token",))
    check(corrected, [0, 0], 1, 2.5, [-0.25, -1], rollout=[-math.log(2), math.log(4)])


def test_gspo_token_with_a_correction_per_token_is_no_longer_gspo() -> None:
    """s = 1, weights (1/2, 2): J = 1.25, each token with its own."""
    corrected = Variant("gspo_token", ("objective.correction.level=token",))
    check(corrected, [0, 0], 1, -1.25, [-0.25, -1], rollout=[-math.log(2), math.log(4)])


@pytest.mark.parametrize(
    ("normalize", "short", "long"),
    [("response", 1 / 2, 1 / 6), ("token", 1 / 4, 1 / 4), ("constant", 1 / 10, 1 / 10), ("sum", 1 / 2, 1 / 2)],
)
def test_normalizers_weigh_the_tokens_of_a_short_and_a_long_response(normalize: str, short: float, long: float) -> None:
    """Lengths 1 and 3 at r = 1, A = 1: 1/(N T_i) = 1/2, 1/6; 1/(all tokens) = 1/4; 1/(N max length) = 1/10; 1/N."""
    logp_BT = torch.full((2, 3), -1.0, dtype=torch.float64, requires_grad=True)
    mask_BT = torch.tensor([[True, False, False], [True, True, True]])
    batch = PolicyBatch(logp_BT, logp_BT.detach(), torch.ones(2, dtype=torch.float64), mask_BT)
    objective = load(Variant("grpo", (f"objective.normalize={normalize}",)))
    objective(batch, Counts(responses=2, tokens=4, max_response_length=5)).loss.backward()  # type: ignore[no-untyped-call]
    expected_BT = -torch.tensor([[short, 0, 0], [long, long, long]], dtype=torch.float64)
    torch.testing.assert_close(logp_BT.grad, expected_BT, rtol=1e-12, atol=0)


def test_the_clamp_holds_a_ratio_at_e_to_the_twenty() -> None:
    """One token, A = 1, l = 30, no gate: loss = -e^20, and beyond the clamp there is no gradient."""
    check(Variant("grpo", ("objective/gate=identity",)), [30], 1, -math.exp(20), [0])


def test_the_product_of_ratios_is_held_at_e_to_the_twenty() -> None:
    """Two tokens, l = 15 each, A = -1, no gate: loss = e^20 without gradient."""
    check(Variant("rloo", ("objective/gate=identity",)), [15, 15], -1, math.exp(20), [0, 0])
