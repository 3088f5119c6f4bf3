"""Every law can fail, and says so with numbers: each is asked of an objective with the mistake that it is there for."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sspo_cli.laws.laws import LAWS, Subject
from sspo_cli.objectives.batch import Counts, ObjectiveOutput, PolicyBatch
from sspo_cli.objectives.gate import BoundGate
from sspo_cli.objectives.kl import KlPenalty
from sspo_cli.objectives.objective import Objective

from .cases import Variant, config, load, subject


class Mistaken(Objective):
    """The whole objective, with `loss` changed."""

    def __call__(self, batch: PolicyBatch, counts: Counts) -> ObjectiveOutput:
        return replace(super().__call__(batch, counts), loss=self.loss(batch, counts))

    def right(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        return super().__call__(batch, counts).loss

    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        raise NotImplementedError


class SignFlipped(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        return -self.right(batch, counts)


class MeanOverMicrobatch(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        tokens = int(batch.mask_BT.sum())
        return self.right(batch, Counts(len(batch.mask_BT), tokens, counts.max_response_length))


class FirstTokensMatterMore(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        discount_T = 0.9 ** torch.arange(batch.mask_BT.shape[1], dtype=batch.logp_BT.dtype)
        return self.right(replace(batch, logp_BT=batch.logp_BT * discount_T), counts)


class MeanOverPaddedLength(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        share_B = batch.length_B / batch.mask_BT.shape[1]
        return self.right(replace(batch, advantage_B=batch.advantage_B * share_B), counts)


class MaskMultiplied(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        return self.right(batch, counts) + 0 * ((batch.logp_BT - batch.old_logp_BT) * batch.mask_BT).sum()


class AdvantageShifted(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        return self.right(replace(batch, advantage_B=batch.advantage_B + 1e-12), counts)


class NotClamped(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        difference_BT = torch.where(batch.mask_BT, batch.logp_BT - batch.old_logp_BT, 0)
        return self.right(batch, counts) + 0 * torch.exp(difference_BT).sum()


class HalfTheGradient(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        loss = self.right(batch, counts)
        return loss / 2 + loss.detach() / 2


class PoolsApartForOneToken(Mistaken):
    def loss(self, batch: PolicyBatch, counts: Counts) -> Tensor:
        return self.right(batch, counts) * (1.001 if self.pool == "geometric" else 1)


class MultiplierNotTimesLength(Objective):
    def token_multiplier(self, batch: PolicyBatch) -> Tensor:
        return super().token_multiplier(batch) / batch.length_B[:, None]


class Unfinished(Mistaken):
    pass


def mistaken(kind: type[Objective], variant: Variant) -> Subject:
    right = load(variant)
    return Subject(kind(**{field.name: getattr(right, field.name) for field in fields(right)}), config(variant))


def broken_by(subject: Subject) -> dict[str, str]:
    verdicts = {name: law.verdict(subject) for name, law in LAWS.items()}
    return {name: verdict.reason for name, verdict in verdicts.items() if verdict.outcome == "broken"}


GRPO = Variant("grpo")
TOKEN = Variant("grpo", ("objective.normalize=token",))


MISTAKES: list[tuple[str, type[Objective], Variant, str]] = [
    (
        "on-policy",
        SignFlipped,
        GRPO,
        "gradient at r = 1, seed 0, response 3, token 0: 0.02802, should be -0.02802 (off by 0.056)",
    ),
    ("split", MeanOverMicrobatch, GRPO, "loss over micro-batches of 1, seed 2: "),
    ("split", MeanOverMicrobatch, TOKEN, "loss over micro-batches of 1, seed 2: "),
    ("order", FirstTokensMatterMore, GRPO, "loss in another order, seed 0: "),
    ("padding", MeanOverPaddedLength, GRPO, "loss with 1 masked positions more, seed 0: "),
    ("masked", MaskMultiplied, GRPO, "loss with nan where masked in logp_BT: nan, should be "),
    ("zero A", AdvantageShifted, GRPO, "gradient where A = 0, seed 0, response "),
    ("extreme", NotClamped, GRPO, "loss with log-ratios 10000 in float32: nan, should be finite"),
    ("oracle", HalfTheGradient, GRPO, "gradient, seed 0, "),
    ("slope", HalfTheGradient, GRPO, "gradient by logp_BT, seed 1, "),
    ("T = 1", PoolsApartForOneToken, GRPO, "loss with ratio=token and pool=geometric for responses of one token"),
    ("metrics", MultiplierNotTimesLength, GRPO, "update/effective_ratio from the gradients, seed 2: "),
]


@pytest.mark.parametrize(("law", "kind", "variant", "what"), MISTAKES)
def test_each_law_notices_its_mistake(law: str, kind: type[Objective], variant: Variant, what: str) -> None:
    assert LAWS[law].verdict(subject(variant)).outcome == "holds"
    verdict = LAWS[law].verdict(mistaken(kind, variant))
    assert verdict.outcome == "broken"
    assert verdict.reason.startswith(what)


def test_every_law_is_asked_to_fail() -> None:
    assert {law for law, *_ in MISTAKES} == LAWS.keys()


@pytest.mark.parametrize(
    "gate",
    [BoundGate(lower=-0.2, upper=0.2), BoundGate(lower=0.2, upper=-0.2), load(Variant("sapo")).gate],
    ids=["log bounds", "bounds swapped", "sigmoid"],
)
def test_an_objective_with_another_gate_than_its_configuration_is_found_by_the_oracle(gate: BoundGate) -> None:
    assert "oracle" in broken_by(Subject(replace(load(GRPO), gate=gate), config(GRPO)))


@pytest.mark.parametrize(
    "change",
    [
        {"kl": None},
        {"kl": KlPenalty(-0.3, "reference", "k3")},
        {"kl": KlPenalty(0.3, "old", "k3")},
        {"kl": KlPenalty(0.3, "reference", "k2")},
        {"entropy_coef": -0.2},
        {"correction": None},
    ],
    ids=str,
)
def test_an_objective_with_other_extras_than_its_configuration_is_found_by_the_oracle_alone(
    change: dict[str, Any],
) -> None:
    whole = Variant(
        "sspo", ("objective.kl.coef=0.3", "objective.entropy_coef=0.2", "objective.correction.level=sequence")
    )
    assert broken_by(subject(whole)) == {}
    assert set(broken_by(Subject(replace(load(whole), **change), config(whole)))) == {"oracle"}


def test_code_that_raises_has_broken_the_law_that_ran_it() -> None:
    verdict = LAWS["order"].verdict(mistaken(Unfinished, GRPO))
    assert (verdict.outcome, verdict.reason.split(":")[0]) == ("broken", "NotImplementedError")


def test_a_gradient_that_is_not_the_derivative_on_purpose_is_not_asked_for_its_slope() -> None:
    outcomes = {name: LAWS["slope"].verdict(subject(Variant(name))).outcome for name in ("grpo", "cispo", "gspo_token")}
    assert outcomes == {"grpo": "holds", "cispo": "does not apply", "gspo_token": "does not apply"}
    assert [name for name, law in LAWS.items() if law.verdict(subject(Variant("cispo"))).outcome != "holds"] == [
        "slope"
    ]


def test_the_worst_difference_is_told_with_its_place_and_its_size() -> None:
    """GRPO at r = 1: A / (N T) as it should be, and its double."""
    twice = Subject(replace(load(GRPO), normalize="sum"), config(GRPO))
    reason = LAWS["on-policy"].verdict(twice).reason
    found, expected = (float(number) for number in reason.split(": ")[1].split(" (")[0].split(", should be "))
    place = reason.split(": ")[0]
    assert place.startswith("gradient at r = 1, seed 0, response ")
    assert found / expected == pytest.approx(round(found / expected), rel=1e-5) and found / expected > 1
