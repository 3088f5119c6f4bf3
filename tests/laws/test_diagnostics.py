"""What the diagnostics say of an update, on one scale for every objective."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from sspo_cli.laws.cases import evaluate, on_policy, random_case
from sspo_cli.objectives.batch import Counts, PolicyBatch

from .cases import ALL, NAMED, Variant, load

UNCLIPPED = Variant("grpo", ("objective/gate=identity",))
WEIGHTED = [variant for variant in NAMED if variant.name not in ("sft", "gpg", "reinforce")]


def metrics(variant: Variant, ratios: list[list[float]], advantages: list[float]) -> dict[str, float]:
    """The diagnostics of responses of equal length with the given token ratios."""
    log_ratio_BT = torch.tensor(ratios, dtype=torch.float64).log()
    batch = PolicyBatch(
        logp_BT=torch.full_like(log_ratio_BT, -1),
        old_logp_BT=-1 - log_ratio_BT,
        advantage_B=torch.tensor(advantages, dtype=torch.float64),
        mask_BT=torch.ones_like(log_ratio_BT, dtype=torch.bool),
    )
    out = load(variant)(batch, Counts(len(ratios), log_ratio_BT.numel(), len(ratios[0])))
    return {name: value.item() for name, value in out.metrics.items()}


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_on_policy_nothing_is_removed(variant: Variant) -> None:
    batch, counts = random_case(0)
    out = evaluate(load(variant), on_policy(batch), counts).out
    expected = {
        "update/effective_ratio": 1,
        "update/removed_pos": 0,
        "update/removed_neg": 0,
        "ratio/mean": 1,
        "ratio/std": 0,
        "ratio/log_variance": 0,
        "ratio/clamped": 0,
        "policy/kl": 0,
    }
    assert {name: out.metrics[name].item() for name in expected} == pytest.approx(expected, abs=1e-12)


def test_the_effective_ratio_of_grpo_is_one_minus_its_clipped_share() -> None:
    """Three of eight tokens are clipped, each on the side of its advantage; the others are at r = 1."""
    found = metrics(Variant("grpo"), [[2, 2, 1, 1], [0.5, 1, 1, 1]], [1, -1])
    assert found["update/effective_ratio"] == pytest.approx(1 - 3 / 8)


def test_the_effective_ratio_of_gspo_is_one_minus_its_clipped_share_of_tokens() -> None:
    """One of four responses is clipped, the others are at s = 1."""
    found = metrics(Variant("gspo"), [[2, 2], [1, 1], [2, 0.5], [1, 1]], [1, 1, -1, -1])
    assert found["update/effective_ratio"] == pytest.approx(1 - 1 / 4)


def test_the_removed_share_is_told_by_sign_and_weighted_by_the_size_of_the_advantage() -> None:
    """A = 3 keeps both tokens and A = 1 loses both: 2/8 of the positive side. A = -1 loses one of two tokens."""
    found = metrics(Variant("grpo"), [[1, 1], [2, 2], [0.5, 1]], [3, 1, -1])
    assert found["update/removed_pos"] == pytest.approx(1 / 4)
    assert found["update/removed_neg"] == pytest.approx(1 / 2)


def test_nothing_is_removed_from_a_side_without_advantages() -> None:
    found = metrics(Variant("grpo"), [[2, 2], [1, 1]], [1, 0])
    assert found["update/removed_pos"] == 1
    assert found["update/removed_neg"] == 0


def test_sequence_weights_by_hand() -> None:
    """Weights 1 and 3: mean 2, population deviation 1, effective share (1 + 3)^2 / (2 (1 + 9)) = 0.8."""
    found = metrics(UNCLIPPED, [[1], [3]], [1, -1])
    assert found["weight/mean"] == pytest.approx(2)
    assert found["weight/std"] == pytest.approx(1)
    assert found["weight/ess"] == pytest.approx(0.8)
    assert [found[f"weight/q{share}"] for share in ("01", "50", "99")] == pytest.approx([1.02, 2, 2.98])


def test_tiny_sequence_weights_keep_their_share_and_none_at_all_is_zero() -> None:
    """VESPO, A = 1: f = e^(3 - 3 r) r^2 is near 1e-255 at r = 200, which squared is 0, and 0 itself at r = e^9."""
    tiny = metrics(Variant("vespo"), [[200.0], [200.1]], [1, 1])
    ratio = math.exp(-0.3) * (200.1 / 200) ** 2
    assert tiny["weight/ess"] == pytest.approx((1 + ratio) ** 2 / (2 * (1 + ratio**2)), rel=1e-9)
    assert metrics(Variant("vespo"), [[math.exp(9)]], [1])["weight/ess"] == 0


def test_ratios_by_hand() -> None:
    """r = (1/2, 1, 2, 4), l = ln 2 (-1, 0, 1, 2): mean r = 1.875, median 1.5, Var l = 1.25 ln^2 2, mean l = ln 2/2."""
    found = metrics(UNCLIPPED, [[0.5, 1, 2, 4]], [1])
    assert found["ratio/mean"] == pytest.approx(1.875)
    assert found["ratio/std"] == pytest.approx(math.sqrt((0.25 + 1 + 4 + 16) / 4 - 1.875**2))
    assert found["ratio/q50"] == pytest.approx(1.5)
    assert found["ratio/q01"] == pytest.approx(0.5 + 0.03 * 0.5)
    assert found["ratio/q99"] == pytest.approx(4 - 0.03 * 2)
    assert found["ratio/log_variance"] == pytest.approx(1.25 * math.log(2) ** 2)
    assert found["policy/kl"] == pytest.approx(0.875 - math.log(2) / 2)


def test_extras_report_themselves() -> None:
    """old / rollout = 3 at each token, held at 2; log pi_reference - log pi = ln 2: k3 = 2 - 1 - ln 2, whatever x^2."""
    logp_BT = torch.full((1, 2), -1.0, dtype=torch.float64)
    batch = PolicyBatch(
        logp_BT,
        logp_BT,
        advantage_B=torch.ones(1, dtype=torch.float64),
        mask_BT=torch.tensor([[True, True]]),
        rollout_logp_BT=logp_BT - math.log(3),
        reference_logp_BT=logp_BT + math.log(2),
    )
    words = ("objective.kl.coef=0.1", "objective.kl.estimator=k2", "objective.correction.level=token")
    found = load(Variant("grpo", words))(batch, Counts(1, 2, 2)).metrics
    assert found["correction/mean"].item() == pytest.approx(2)
    assert found["correction/capped"].item() == 1
    assert found["policy/kl_reference"].item() == pytest.approx(1 - math.log(2))
    assert not {name for name in load(UNCLIPPED)(batch, Counts(1, 2, 2)).metrics if "correction" in name}


def test_a_penalty_against_the_old_policy_reads_no_reference() -> None:
    batch, counts = random_case(0)
    found = load(Variant("scopic"))(replace(batch, reference_logp_BT=None), counts).metrics
    assert "policy/kl_reference" not in found


def test_log_variance_is_within_responses_not_between_them() -> None:
    assert metrics(UNCLIPPED, [[2, 2], [0.5, 0.5]], [1, -1])["ratio/log_variance"] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("variant", ALL, ids=str)
def test_effective_sample_size_is_a_share(variant: Variant) -> None:
    for seed in range(8):
        batch, counts = random_case(seed)
        share = load(variant)(batch, counts).metrics["weight/ess"].item()
        assert 0 < share <= 1 + 1e-12


@pytest.mark.parametrize("variant", WEIGHTED, ids=str)
def test_wider_ratios_lower_the_effective_sample_size(variant: Variant) -> None:
    near, far = (load(variant)(*random_case(4, spread=spread)).metrics["weight/ess"].item() for spread in (1e-5, 1.0))
    assert far < near


@pytest.mark.parametrize("variant", NAMED, ids=str)
def test_metrics_are_scalars_of_their_own_and_leave_the_gradient_alone(variant: Variant) -> None:
    batch, counts = random_case(1)
    gradient_BT = evaluate(load(variant), batch, counts).gradient_BT
    logp_BT = batch.logp_BT.clone().requires_grad_()
    out = load(variant)(replace(batch, logp_BT=logp_BT), counts)
    assert all(value.shape == () and not value.requires_grad for value in out.metrics.values())
    (after_BT,) = torch.autograd.grad(out.loss, logp_BT)
    assert torch.equal(after_BT, gradient_BT)
