"""Objectives that coincide in a limit or for responses of one token."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from sspo_cli.laws.cases import evaluate, on_policy, random_case
from sspo_cli.objectives.advantage import ADVANTAGES
from sspo_cli.objectives.batch import Counts, PolicyBatch

from .cases import GATES, NAMED, SOFT_GATES, UNIT_GATES, Variant, config, load

pytestmark = pytest.mark.slow


SEEDS = range(20)
TINY_TAU = ("objective.gate.tau_pos=1e-4", "objective.gate.tau_neg=1e-4")
EQUAL_BOUNDS = ("objective.gate.eps_low=0.2", "objective.gate.eps_high=0.2")


def with_gate(name: str, gate: str, *values: str) -> Variant:
    return Variant(name, (f"objective/gate={gate}", *values))


def assert_equal_objectives(
    first: Variant, second: Variant, batch: PolicyBatch, counts: Counts, rtol: float = 1e-12, loss: bool = True
) -> None:
    one, other = (evaluate(load(variant), batch, counts) for variant in (first, second))
    torch.testing.assert_close(one.gradient_BT, other.gradient_BT, rtol=rtol, atol=rtol * 1e-2)
    if loss:
        torch.testing.assert_close(one.loss, other.loss, rtol=rtol, atol=rtol * 1e-2)


def assert_equal_from_rewards(first: Variant, second: Variant, full_length: bool = True, **options: bool) -> None:
    """Equal from rewards on, each with its own advantage, for two prompts with four responses of one length each."""
    for seed in SEEDS:
        batch, _ = random_case(seed, B=8, T=7)
        reward_PG = torch.rand(2, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        batch = replace(batch, mask_BT=torch.ones_like(batch.mask_BT))
        counts = Counts(responses=8, tokens=56, max_response_length=7 if full_length else 11)
        advantages = [ADVANTAGES[config(variant).advantage](reward_PG).flatten() for variant in (first, second)]
        torch.testing.assert_close(*advantages, rtol=1e-12, atol=0)
        assert_equal_objectives(first, second, replace(batch, advantage_B=advantages[0]), counts, **options)


def test_sspo_without_a_gate_is_gspo_without_clipping() -> None:
    for seed in SEEDS:
        assert_equal_objectives(with_gate("sspo", "identity"), with_gate("gspo", "identity"), *random_case(seed))


def test_sspo_with_the_log_clip_gate_is_gmpo() -> None:
    for seed in SEEDS:
        assert_equal_objectives(with_gate("sspo", "log_clip"), Variant("gmpo"), *random_case(seed))


def test_gmpo_with_wide_bounds_is_gspo_without_clipping() -> None:
    wide = Variant("gmpo", ("objective.gate.eps_low=19", "objective.gate.eps_high=19"))
    for seed in SEEDS:
        assert_equal_objectives(wide, with_gate("gspo", "identity"), *random_case(seed))


@pytest.mark.parametrize("gate", GATES)
def test_sspo_is_sapo_with_the_same_gate_for_responses_of_one_token(gate: str) -> None:
    for seed in SEEDS:
        assert_equal_objectives(with_gate("sspo", gate), with_gate("sapo", gate), *random_case(seed, T=1))


def test_sspo_with_the_sigmoid_gate_is_sapo_for_responses_of_one_token() -> None:
    for seed in SEEDS:
        assert_equal_objectives(with_gate("sspo", "sigmoid"), Variant("sapo"), *random_case(seed, T=1))


@pytest.mark.parametrize("gate", GATES)
def test_sspo_is_sapo_with_the_same_gate_where_a_response_has_one_ratio(gate: str) -> None:
    for seed in SEEDS:
        batch, counts = random_case(seed)
        batch = replace(batch, old_logp_BT=batch.logp_BT - 0.3 * batch.advantage_B[:, None])
        assert_equal_objectives(with_gate("sspo", gate), with_gate("sapo", gate), batch, counts, rtol=1e-10)


def test_gspo_is_grpo_with_equal_bounds_for_responses_of_one_token() -> None:
    for seed in SEEDS:
        case = random_case(seed, T=1)
        assert_equal_objectives(Variant("gspo", EQUAL_BOUNDS), Variant("grpo", EQUAL_BOUNDS), *case)


@pytest.mark.parametrize("name", ["grpo", "gspo", "gmpo"])
def test_clipping_is_no_gate_within_its_bounds(name: str) -> None:
    for seed in SEEDS:
        assert_equal_objectives(Variant(name), with_gate(name, "identity"), *random_case(seed, spread=2e-5))


def test_dapo_with_equal_bounds_is_grpo_for_responses_of_one_length() -> None:
    assert_equal_from_rewards(Variant("dapo", EQUAL_BOUNDS), Variant("grpo"))


def test_ppo_clip_with_the_advantage_of_grpo_is_grpo_for_responses_of_one_length() -> None:
    assert_equal_from_rewards(Variant("ppo_clip", ("objective.advantage=group_zscore",)), Variant("grpo"))


def test_dr_grpo_is_grpo_with_its_advantage_for_responses_of_full_length_only() -> None:
    grpo = Variant("grpo", ("objective.advantage=group_mean",))
    assert_equal_from_rewards(Variant("dr_grpo"), grpo)
    with pytest.raises(AssertionError):
        assert_equal_from_rewards(Variant("dr_grpo"), grpo, full_length=False)


def test_gspo_token_is_gspo() -> None:
    for seed in SEEDS:
        assert_equal_objectives(Variant("gspo_token"), Variant("gspo"), *random_case(seed))


def test_scopic_without_its_penalty_is_sapo_with_one_tau_and_a_mean_over_tokens() -> None:
    one_tau = ("objective.gate.tau_pos=2", "objective.gate.tau_neg=2", "objective.normalize=token")
    for seed in SEEDS:
        case = random_case(seed)
        assert_equal_objectives(Variant("scopic", ("objective.kl.coef=0",)), Variant("sapo", one_tau), *case)


def test_rloo_is_reinforce_with_its_advantage_on_policy() -> None:
    """Where the loss is A against A sum log pi, the gradient is one."""
    for seed in SEEDS:
        batch, counts = random_case(seed)
        assert_equal_objectives(Variant("rloo"), Variant("reinforce"), on_policy(batch), counts, loss=False)


@pytest.mark.parametrize("name", ["cispo", "vespo"])
def test_cispo_and_vespo_are_gpg_with_the_same_advantage_on_policy(name: str) -> None:
    for seed in SEEDS:
        batch, counts = random_case(seed)
        assert_equal_objectives(Variant(name), Variant("gpg"), on_policy(batch), counts)


def test_cispo_with_a_high_cap_has_the_gradient_of_grpo_without_clipping_over_all_tokens() -> None:
    unclipped = with_gate("grpo", "identity", "objective.normalize=token")
    for seed in SEEDS:
        case = random_case(seed)
        assert_equal_objectives(Variant("cispo", ("objective.gate.cap=1e6",)), unclipped, *case, loss=False)


@pytest.mark.parametrize("level", ["token", "sequence"])
def test_a_correction_is_nothing_where_sampler_and_trainer_agree(level: str) -> None:
    for seed in SEEDS:
        batch, counts = random_case(seed)
        agreed = replace(batch, rollout_logp_BT=batch.old_logp_BT)
        corrected = Variant("grpo", (f"objective.correction.level={level}",))
        assert_equal_objectives(corrected, Variant("grpo"), agreed, counts)


def test_a_dual_clip_out_of_reach_is_none() -> None:
    for seed in SEEDS:
        case = random_case(seed)
        assert_equal_objectives(Variant("grpo", ("objective.gate.dual_clip=1e6",)), Variant("grpo"), *case)


def test_the_two_readings_of_the_arctan_gate_agree_to_second_order() -> None:
    """log(1 + x) = x - x^2 / 2 + ...: at l = 1e-5 the gradients differ by less than 1e-4."""
    for seed in SEEDS:
        case = random_case(seed, spread=1e-5)
        assert_equal_objectives(with_gate("sspo", "arctan_log_ratio"), Variant("sspo"), *case, rtol=1e-3, loss=False)


def test_sapo_with_tau_to_zero_has_the_gradient_of_grpo_without_clipping() -> None:
    """r sech^2(tau (r - 1) / 2) = r (1 - O(tau^2)): 1e-7 at tau = 1e-4. The losses differ by a constant near 2/tau."""
    for seed in SEEDS:
        case = random_case(seed, spread=0.3)
        assert_equal_objectives(Variant("sapo", TINY_TAU), with_gate("grpo", "identity"), *case, rtol=1e-7, loss=False)


@pytest.mark.parametrize("name", ["sspo", "sapo", "gspo"])
@pytest.mark.parametrize("gate", [gate for gate in UNIT_GATES if gate != "arctan_log_ratio"])
def test_unit_gates_with_tau_to_zero_are_no_gate(gate: str, name: str) -> None:
    """f = r (1 + O(tau^2)): 1e-7 at tau = 1e-4."""
    for seed in SEEDS:
        case = random_case(seed, spread=0.3)
        assert_equal_objectives(with_gate(name, gate, *TINY_TAU), with_gate(name, "identity"), *case, rtol=1e-7)


@pytest.mark.parametrize("name", ["sspo", "sapo"])
@pytest.mark.parametrize("gate", UNIT_GATES)
def test_one_sided_gates_act_only_where_the_ratio_moved_with_the_advantage(gate: str, name: str) -> None:
    one_sided = with_gate(name, gate, "objective.gate.one_sided=true")
    for seed in SEEDS:
        batch, counts = random_case(seed)
        drift_BT = (batch.logp_BT - batch.old_logp_BT).abs() * batch.advantage_B.sign()[:, None]
        against = replace(batch, old_logp_BT=batch.logp_BT + drift_BT)
        along = replace(batch, old_logp_BT=batch.logp_BT - drift_BT)
        assert_equal_objectives(one_sided, with_gate(name, "identity"), against, counts)
        assert_equal_objectives(one_sided, with_gate(name, gate), along, counts)


@pytest.mark.parametrize("gate", SOFT_GATES)
def test_swapping_tau_pos_and_tau_neg_mirrors_the_advantage(gate: str) -> None:
    one = with_gate("sspo", gate, "objective.gate.tau_pos=2", "objective.gate.tau_neg=5")
    other = with_gate("sspo", gate, "objective.gate.tau_pos=5", "objective.gate.tau_neg=2")
    batch, counts = random_case(2)
    plain = evaluate(load(one), batch, counts)
    mirrored = evaluate(load(other), replace(batch, advantage_B=-batch.advantage_B), counts)
    torch.testing.assert_close(mirrored.loss, -plain.loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(mirrored.gradient_BT, -plain.gradient_BT, rtol=1e-12, atol=0)


@pytest.mark.parametrize("normalize", ["token", "constant"])
@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_normalizers_agree_for_full_responses_of_equal_length(variant: Variant, normalize: str) -> None:
    batch, _ = random_case(1)
    full = replace(batch, mask_BT=torch.ones_like(batch.mask_BT))
    other = Variant(variant.name, (f"objective.normalize={normalize}",))
    plain = Variant(variant.name, ("objective.normalize=response",))
    assert config(plain).normalize != config(other).normalize
    assert_equal_objectives(plain, other, full, Counts(6, 42, 7))


def test_sft_is_the_mean_cross_entropy_over_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_BTV = torch.randn(3, 5, 11, generator=generator, dtype=torch.float64, requires_grad=True)
    target_BT = torch.randint(11, (3, 5), generator=generator)
    mask_BT = torch.arange(5) < torch.tensor([[5], [2], [1]])
    logp_BT = logits_BTV.log_softmax(-1).gather(-1, target_BT[..., None])[..., 0]
    batch = PolicyBatch(logp_BT, logp_BT.detach() - 0.7, torch.ones(3, dtype=torch.float64), mask_BT)
    loss = load(Variant("sft"))(batch, Counts(3, 8, 5)).loss
    expected = cross_entropy(logits_BTV[mask_BT], target_BT[mask_BT])
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    (gradient,) = torch.autograd.grad(loss, logits_BTV, retain_graph=True)
    (expected_gradient,) = torch.autograd.grad(expected, logits_BTV)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-15)
