"""The laws that every objective obeys: each is a function that returns, or raises `Broken` with the numbers.

>>> subject = Subject.of(config)
>>> [(name, law.verdict(subject)) for name, law in LAWS.items()]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from sspo_cli.build import build_objective, calibrated
from sspo_cli.config.schema import ObjectiveConfig, SoftGateSection
from sspo_cli.laws import oracle
from sspo_cli.laws.cases import Evaluation, columns, evaluate, on_policy, padded, random_case, rows
from sspo_cli.objectives.batch import Counts, PolicyBatch
from sspo_cli.objectives.objective import Objective
from sspo_cli.objectives.pool import POOLS
from sspo_cli.objectives.ratio import RATIOS

FEW_TOKENS = 12
FAR = 1e4
STEP = 1e-7


class Broken(Exception):
    """A law does not hold. The message is one line with the numbers."""


@dataclass(frozen=True)
class Subject:
    """An objective, and the configuration that it should be."""

    objective: Objective
    config: ObjectiveConfig

    @classmethod
    def of(cls, config: ObjectiveConfig) -> Self:
        """The objective that `config` builds.

        Raises:
            ConfigError: as `build_objective`.
        """
        gate = config.gate
        solved = calibrated(gate, config.pool) if isinstance(gate, SoftGateSection) else gate
        return cls(build_objective(config), replace(config, gate=solved))

    @property
    def has_stop_gradient(self) -> bool:
        """Whether the gradient is, on purpose, not the derivative of the loss."""
        return self.config.form == "score" or self.config.ratio == "sequence_token"


@dataclass(frozen=True)
class Verdict:
    """What became of one law."""

    outcome: Literal["holds", "broken", "does not apply"]
    reason: str = ""


@dataclass(frozen=True)
class Law:
    """about: the law in a sentence. exempt: the objectives of which it is not asked."""

    about: str
    check: Callable[[Subject], None]
    exempt: Callable[[Subject], bool] = lambda subject: False

    def verdict(self, subject: Subject) -> Verdict:
        """Ask the law of `subject`. Code that raises has broken it too."""
        if self.exempt(subject):
            return Verdict("does not apply")
        try:
            self.check(subject)
        except Broken as broken:
            return Verdict("broken", str(broken))
        except Exception as error:
            return Verdict("broken", f"{type(error).__name__}: {' '.join(str(error).split())}")
        return Verdict("holds")


def gradient_on_policy(subject: Subject) -> None:
    """-omega_i A_i / T_i at each token; T_i times that where a response has one ratio, the product of its tokens'."""
    objective = subject.objective.without_penalties()
    for seed in range(4):
        batch, counts = random_case(seed)
        batch = on_policy(batch)
        found = evaluate(objective, batch, counts)
        expect(found.gradient_BT, policy_gradient(subject, batch, counts), f"gradient at r = 1, seed {seed}")


def split(subject: Subject) -> None:
    """Micro-batches of one and of four responses, and ranks that take every second and every third one."""
    for seed in (2, 3):
        batch, counts = random_case(seed)
        whole = evaluate(subject.objective, batch, counts)
        every = torch.arange(len(batch.advantage_B))
        cuts = {
            "micro-batches of 1": list(torch.split(every, 1)),
            "micro-batches of 4": list(torch.split(every, 4)),
            "2 ranks": [every[rank::2] for rank in range(2)],
            "3 ranks": [every[rank::3] for rank in range(3)],
        }
        for cut, parts in cuts.items():
            shares = [evaluate(subject.objective, rows(batch, part), counts) for part in parts]
            order = torch.cat(parts)
            expect(torch.stack([share.loss for share in shares]).sum(), whole.loss, f"loss over {cut}, seed {seed}")
            expect(
                torch.cat([share.gradient_BT for share in shares]),
                whole.gradient_BT[order],
                f"gradient over {cut}, seed {seed}",
            )


def order(subject: Subject) -> None:
    for seed in range(4):
        batch, counts = random_case(seed)
        whole = evaluate(subject.objective, batch, counts)
        generator = torch.Generator().manual_seed(seed)
        order_B, order_T = (torch.randperm(size, generator=generator) for size in batch.mask_BT.shape)
        shuffled = evaluate(subject.objective, columns(rows(batch, order_B), order_T), counts)
        expect(shuffled.loss, whole.loss, f"loss in another order, seed {seed}")
        expect(shuffled.gradient_BT, whole.gradient_BT[order_B][:, order_T], f"gradient in another order, seed {seed}")
        expect_metrics(shuffled, whole, f"in another order, seed {seed}")


def padding(subject: Subject) -> None:
    for seed in range(2):
        batch, counts = random_case(seed)
        whole = evaluate(subject.objective, batch, counts)
        T = batch.mask_BT.shape[1]
        for extra in (1, 9, 57):
            longer = evaluate(subject.objective, padded(batch, extra), counts)
            what = f"with {extra} masked positions more, seed {seed}"
            expect(longer.loss, whole.loss, f"loss {what}")
            expect(longer.gradient_BT[:, :T], whole.gradient_BT, f"gradient {what}")
            expect_zero(longer.gradient_BT.index_fill(1, torch.arange(T), 0), f"gradient {what}, at those")
            expect_metrics(longer, whole, what)


def masked(subject: Subject) -> None:
    """NaN and infinity in each tensor and in all of them; a response that is masked as a whole."""
    batch, counts = random_case(3)
    clean = evaluate(subject.objective, batch, counts)
    names = [name for name in batch.token_tensors() if name != "mask_BT"]
    for poison in (math.nan, math.inf, -math.inf):
        for chosen in [[name] for name in names] + [names]:
            dirt = {name: getattr(batch, name).masked_fill(~batch.mask_BT, poison) for name in chosen}
            dirty = evaluate(subject.objective, replace(batch, **dirt), counts)
            what = f"with {poison} where masked in {', '.join(chosen)}"
            expect(dirty.loss, clean.loss, f"loss {what}", rtol=0)
            expect(dirty.gradient_BT, clean.gradient_BT, f"gradient {what}", rtol=0)
            expect_zero(dirty.gradient_BT.masked_fill(batch.mask_BT, 0), f"gradient {what}, at those")
            expect_zero(
                dirty.entropy_gradient_BT.masked_fill(batch.mask_BT, 0), f"gradient by entropy {what}, at those"
            )
        expect_metrics(dirty, clean, what, rtol=0)
    mask_BT = batch.mask_BT.clone()
    mask_BT[0] = False
    without = evaluate(subject.objective, replace(batch, mask_BT=mask_BT), counts)
    rest = evaluate(subject.objective, rows(batch, torch.arange(1, len(mask_BT))), counts)
    expect(without.loss, rest.loss, "loss with a response that has no tokens")
    expect(without.gradient_BT[1:], rest.gradient_BT, "gradient with a response that has no tokens")
    expect_zero(without.gradient_BT[0], "gradient of a response that has no tokens")
    expect_finite(without, "with a response that has no tokens")


def zero_advantage(subject: Subject) -> None:
    objective = subject.objective.without_penalties()
    for seed in range(4):
        batch, counts = random_case(seed)
        whole = evaluate(objective, batch, counts)
        neutral_B = batch.advantage_B == 0
        expect_zero(whole.gradient_BT * neutral_B[:, None], f"gradient where A = 0, seed {seed}")
        alone = evaluate(objective, rows(batch, neutral_B.nonzero()[:, 0]), counts)
        expect_zero(alone.loss, f"loss where A = 0, seed {seed}")


def extreme(subject: Subject) -> None:
    """Log-ratios of every policy far apart, in both precisions; beyond +-20 they count as +-20 and are counted."""
    for dtype in (torch.float32, torch.float64):
        for pattern in ([FAR], [-FAR], [FAR, -FAR], [FAR, 0.1, -0.1], [20.0, -20.0], [19.9, -19.9]):
            batch, counts = stretched(pattern, dtype)
            found = evaluate(subject.objective, batch, counts)
            what = f"with log-ratios {', '.join(f'{value:g}' for value in pattern)} in {str(dtype)[6:]}"
            expect_finite(found, what)
            hits = sum(abs(value) > 20 for value in pattern) / len(pattern)
            expect(found.out.metrics["ratio/clamped"], torch.tensor(hits, dtype=dtype), f"ratio/clamped {what}", 1e-6)
    far, counts = stretched([FAR, -FAR], torch.float64)
    edge = replace(far, old_logp_BT=far.logp_BT - (far.logp_BT - far.old_logp_BT).clamp(-20, 20))
    # The mismatch of the sampler is another matter, so that it stays what it was.
    edge = replace(edge, rollout_logp_BT=edge.old_logp_BT - (far.old_logp_BT - far.needed("rollout_logp_BT")))
    far_loss, edge_loss = (evaluate(subject.objective, batch, counts).loss for batch in (far, edge))
    expect(far_loss, edge_loss, f"loss with log-ratios of {FAR:g} in the place of 20")


def stretched(pattern: list[float], dtype: torch.dtype) -> tuple[PolicyBatch, Counts]:
    """Three responses, of positive, negative and no advantage, whose log-ratios repeat `pattern`."""
    log_ratio_BT = torch.tensor(pattern, dtype=dtype).repeat(FEW_TOKENS)[:FEW_TOKENS].expand(3, -1)
    logp_BT = torch.full_like(log_ratio_BT, -1)
    batch = PolicyBatch(
        logp_BT,
        logp_BT - log_ratio_BT,
        advantage_B=torch.tensor([1.5, -1.5, 0], dtype=dtype),
        mask_BT=torch.ones_like(logp_BT, dtype=torch.bool),
        rollout_logp_BT=logp_BT - 2 * log_ratio_BT,
        reference_logp_BT=logp_BT + log_ratio_BT,
        entropy_BT=torch.ones_like(logp_BT),
    )
    return batch, Counts(3, 3 * FEW_TOKENS, FEW_TOKENS)


def agrees_with_oracle(subject: Subject) -> None:
    """Loss and gradients, with log-ratios narrow and wide and some beyond the clamp."""
    for seed in range(12):
        batch, counts = random_case(seed, B=4, T=5, spread=15.0 if seed >= 10 else None)
        found = evaluate(subject.objective, batch, counts)
        tensors = {name.removesuffix("_BT"): value.numpy() for name, value in batch.token_tensors().items()}
        mask_BT = tensors.pop("mask")
        expected = oracle.update(
            subject.config,
            tensors,
            batch.advantage_B.numpy(),
            mask_BT,
            counts.responses,
            counts.tokens,
            counts.max_response_length,
        )
        expect(found.loss, torch.tensor(expected[0], dtype=torch.float64), f"loss, seed {seed}", 1e-9)
        expect(found.gradient_BT, torch.from_numpy(expected[1]), f"gradient, seed {seed}", 1e-9)
        expect(found.entropy_gradient_BT, torch.from_numpy(expected[2]), f"gradient by entropy, seed {seed}", 1e-9)


def derivative(subject: Subject) -> None:
    """By central differences, at every log-probability and every entropy that is not masked."""
    for seed in range(1, 4):
        batch, counts = random_case(seed, B=3, T=4)
        found = evaluate(subject.objective, batch, counts)
        # A difference of two losses keeps no more digits than they have.
        rtol = 1e-6 * max(1.0, abs(found.loss.item()))
        for name, gradient_BT in (("logp_BT", found.gradient_BT), ("entropy_BT", found.entropy_gradient_BT)):
            expected_BT = torch.zeros_like(gradient_BT)
            for i, t in batch.mask_BT.nonzero().tolist():
                step_BT = torch.zeros_like(gradient_BT)
                step_BT[i, t] = STEP
                sides = [replace(batch, **{name: getattr(batch, name) + step}) for step in (step_BT, -step_BT)]
                above, below = (subject.objective(side, counts).loss for side in sides)
                expected_BT[i, t] = (above - below) / (2 * STEP)
            expect(gradient_BT, expected_BT, f"gradient by {name}, seed {seed}", rtol)


def one_token(subject: Subject) -> None:
    for seed in range(4):
        batch, counts = random_case(seed, T=1)
        own = evaluate(subject.objective, batch, counts)
        for ratio in RATIOS:
            for pool in POOLS:
                other = evaluate(replace(subject.objective, ratio=ratio, pool=pool), batch, counts)
                what = f"with ratio={ratio} and pool={pool} for responses of one token, seed {seed}"
                expect(other.loss, own.loss, f"loss {what}")
                expect(other.gradient_BT, own.gradient_BT, f"gradient {what}")


def effective_ratio(subject: Subject) -> None:
    """The diagnostics of what the gate took away, from the gradients themselves."""
    objective = subject.objective.without_penalties()
    for seed in range(2, 4):
        batch, counts = random_case(seed)
        batch = replace(batch, advantage_B=batch.advantage_B.where(batch.advantage_B != 0, 0.5))
        found = evaluate(objective, batch, counts)
        multiplier_BT = torch.where(batch.mask_BT, found.gradient_BT / policy_gradient(subject, batch, counts), 0)
        size_BT = batch.advantage_B.abs()[:, None] * batch.mask_BT
        expected = {"update/effective_ratio": multiplier_BT[batch.mask_BT].mean()}
        for side, chosen_B in (("pos", batch.advantage_B > 0), ("neg", batch.advantage_B < 0)):
            kept = (size_BT * multiplier_BT)[chosen_B].sum() / size_BT[chosen_B].sum()
            expected[f"update/removed_{side}"] = 1 - kept
        for name, value in expected.items():
            expect(found.out.metrics[name], value, f"{name} from the gradients, seed {seed}")


def policy_gradient(subject: Subject, batch: PolicyBatch, counts: Counts) -> Tensor:
    """The gradient of the loss at r = 1, [B, T], under the normaliser of `subject`, written out."""
    tokens_B = batch.mask_BT.sum(-1).to(batch.advantage_B.dtype)
    omega_B = {
        "response": torch.ones_like(tokens_B) / counts.responses,
        "token": tokens_B / counts.tokens,
        "constant": tokens_B / (counts.responses * counts.max_response_length),
        "sum": tokens_B / counts.responses,
    }[subject.config.normalize]
    one_ratio = subject.config.form == "surrogate" and subject.config.ratio == "product"
    share_B = omega_B if one_ratio else omega_B / tokens_B
    return torch.where(batch.mask_BT, -(share_B * batch.advantage_B)[:, None], 0)


def expect(found: Tensor, expected: Tensor, what: str, rtol: float = 1e-10) -> None:
    """Equal within rtol of each element plus rtol of the largest one, or of 1; rtol=0 asks for the same numbers.

    NaN is never right, not even where it is expected.

    Raises:
        Broken: with the worst difference.
    """
    difference = torch.where(found == expected, 0, (found - expected).abs())
    allowed = rtol * (expected.abs() + expected.abs().max().clamp(min=1))
    excess = torch.where(difference <= allowed, 0, difference.nan_to_num(nan=math.inf)).flatten()
    if not excess.any():
        return
    worst = excess.argmax()
    index = torch.unravel_index(worst, found.shape)
    place = "".join(f", {axis} {int(at)}" for axis, at in zip(("response", "token"), index, strict=False))
    numbers = f"{found.flatten()[worst]:.6g}, should be {expected.flatten()[worst]:.6g} (off by {excess[worst]:.2g})"
    raise Broken(f"{what}{place}: {numbers}")


def expect_zero(found: Tensor, what: str) -> None:
    expect(found, torch.zeros_like(found), what, rtol=0)


def expect_metrics(found: Evaluation, expected: Evaluation, what: str, rtol: float = 1e-10) -> None:
    for name, value in expected.out.metrics.items():
        expect(found.out.metrics[name], value, f"{name} {what}", rtol)


def expect_finite(found: Evaluation, what: str) -> None:
    numbers = {"loss": found.loss, "gradient": found.gradient_BT, **found.out.metrics}
    for name, value in numbers.items():
        if not torch.isfinite(value).all():
            raise Broken(f"{name} {what}: {value[~torch.isfinite(value)].flatten()[0].item():g}, should be finite")


# In the order of the table's columns; a name is short enough to head one.
LAWS: Mapping[str, Law] = {
    "on-policy": Law(
        "at r = 1 the gradient is the policy gradient under the objective's own normaliser", gradient_on_policy
    ),
    "split": Law("cutting the update into micro-batches or over ranks changes nothing", split),
    "order": Law("the order of responses and tokens changes nothing", order),
    "padding": Law("padding changes nothing", padding),
    "masked": Law("masked positions are never read, NaN included, and get exactly no gradient", masked),
    "zero A": Law("zero advantage gives exactly zero gradient", zero_advantage),
    "extreme": Law("log-ratios of +-1e4 give finite loss, gradient and metrics", extreme),
    "oracle": Law("an independent implementation agrees to 1e-9", agrees_with_oracle),
    "slope": Law(
        "the gradient is the derivative of the loss, by finite differences",
        derivative,
        lambda subject: subject.has_stop_gradient,
    ),
    "T = 1": Law("every ratio level and pool is the same for responses of one token", one_token),
    "metrics": Law("the effective ratio is the gradient over the on-policy gradient", effective_ratio),
}
