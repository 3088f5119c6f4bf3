"""The estimators of the Kullback-Leibler divergence, against the divergence itself over a whole vocabulary."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import kl_div

from sspo_cli.objectives.batch import PolicyBatch
from sspo_cli.objectives.kl import ESTIMATORS, KlPenalty

V = 7


def distributions(seed: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities [V] of two policies, with gradient."""
    generator = torch.Generator().manual_seed(seed)
    logits_2V = torch.randn(2, V, generator=generator, dtype=torch.float64)
    first_V, second_V = logits_2V.log_softmax(-1)
    return first_V.requires_grad_(), second_V.requires_grad_()


def divergence(p_V: Tensor, q_V: Tensor) -> Tensor:
    """KL(p || q)."""
    return kl_div(q_V, p_V, log_target=True, reduction="sum")


def batch_of(**tensors: Tensor) -> PolicyBatch:
    """One response whose tokens are the whole vocabulary."""
    filler = torch.zeros(1, V, dtype=torch.float64)
    rows = {name: value_V[None] for name, value_V in tensors.items()}
    return PolicyBatch(
        **{"logp_BT": filler, "old_logp_BT": filler, **rows},
        advantage_B=torch.ones(1, dtype=torch.float64),
        mask_BT=torch.ones(1, V, dtype=torch.bool),
    )


@pytest.mark.parametrize("estimator", ["k1", "k3"])
@pytest.mark.parametrize("seed", range(5))
def test_k1_and_k3_are_unbiased(estimator: str, seed: int) -> None:
    """sum_v p(v) k(log q(v) - log p(v)) = KL(p || q)."""
    p_V, q_V = distributions(seed)
    mean = (p_V.exp() * ESTIMATORS[estimator](q_V - p_V)).sum()
    torch.testing.assert_close(mean, divergence(p_V, q_V), rtol=1e-12, atol=0)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_k2_and_k3_are_never_negative_and_zero_where_the_policies_agree(estimator: str) -> None:
    x = torch.linspace(-20, 20, 401, dtype=torch.float64)
    assert (ESTIMATORS[estimator](x) >= 0).all()
    assert ESTIMATORS[estimator](torch.zeros(())) == 0


def test_all_three_agree_to_second_order() -> None:
    """On tokens of p, E[k] = KL + O(x^3): close policies have one divergence whatever the estimator."""
    p_V, step_V = distributions(0)
    q_V = (p_V + 1e-4 * step_V).log_softmax(-1)
    means = [(p_V.exp() * estimate(q_V - p_V)).sum().item() for estimate in ESTIMATORS.values()]
    assert means == pytest.approx([divergence(p_V, q_V).item()] * 3, rel=1e-3)


@pytest.mark.parametrize(("estimator", "is_the_gradient"), [("k1", False), ("k2", True), ("k3", False)])
def test_against_the_reference_only_k2_has_the_gradient_of_the_divergence(
    estimator: str, is_the_gradient: bool
) -> None:
    """Tokens are drawn from the policy that learns, which the estimate takes as given."""
    generator = torch.Generator().manual_seed(0)
    logits_V = torch.randn(V, generator=generator, dtype=torch.float64, requires_grad=True)
    reference_V = torch.randn(V, generator=generator, dtype=torch.float64).log_softmax(-1)
    logp_V = logits_V.log_softmax(-1)
    (expected_V,) = torch.autograd.grad(divergence(logp_V, reference_V), logits_V, retain_graph=True)
    penalty = KlPenalty(coef=1.0, against="reference", estimator=estimator)
    per_token_V = penalty.per_token(reference_V - logp_V)
    (found_V,) = torch.autograd.grad((logp_V.detach().exp() * per_token_V).sum(), logits_V)
    assert torch.allclose(found_V, expected_V, rtol=1e-12, atol=1e-14) == is_the_gradient


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_against_the_old_policy_k1_and_k3_have_the_gradient_of_the_divergence(estimator: str) -> None:
    """Tokens are drawn from the old policy: KL(old || current) and its gradient, unbiased."""
    old_V, logits_V = distributions(1)
    logp_V = logits_V.log_softmax(-1)
    (expected_V,) = torch.autograd.grad(divergence(old_V.detach(), logp_V), logits_V, retain_graph=True)
    penalty = KlPenalty(coef=1.0, against="old", estimator=estimator)
    per_token_V = penalty.per_token(logp_V - old_V.detach())
    (found_V,) = torch.autograd.grad((old_V.detach().exp() * per_token_V).sum(), logits_V)
    torch.testing.assert_close(found_V, expected_V, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_penalty_is_coef_times_the_mean_over_tokens(estimator: str) -> None:
    p_V, q_V = (value.detach() for value in distributions(2))
    estimate_V = ESTIMATORS[estimator](q_V - p_V)
    against_reference = KlPenalty(0.3, "reference", estimator)(batch_of(logp_BT=p_V, reference_logp_BT=q_V))
    against_old = KlPenalty(0.3, "old", estimator)(batch_of(logp_BT=q_V, old_logp_BT=p_V))
    for found_B in (against_reference, against_old):
        assert found_B.tolist() == pytest.approx([0.3 * estimate_V.mean().item()], rel=1e-12)


def test_a_penalty_against_a_reference_that_the_batch_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="reads reference_logp_BT, which the batch does not have"):
        KlPenalty(0.3, "reference", "k3")(batch_of())
