"""Loss, gradient and advantages against TRL's own code, and where TRL means something else. Skipped without TRL.

`make peers` installs TRL and prints what docs/evidence/peers.md shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sspo_cli.build import load_objective
from sspo_cli.config.schema import OverlongSection
from sspo_cli.engine.credit import overlong
from sspo_cli.objectives.advantage import ADVANTAGES
from sspo_cli.objectives.batch import Counts, PolicyBatch
from sspo_cli.objectives.objective import Objective
from tests.steps import trajectory

from .trl_side import (
    MAX_COMPLETION_LENGTH,
    VERSIONS,
    Setting,
    advantages,
    build,
    loss_of,
    sampler_weights,
    soft_overlong_punishment,
)

SPREADS = (3e-4, 0.05, 0.3, 1.0)
SEEDS = range(20)
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}
B, T = 16, 24
NO_REWARD_PG = torch.zeros(B // 8, 8)

GSPO = {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4}
PEERS = [
    ("grpo", Setting("GRPO", {"loss_type": "grpo"})),
    ("dapo", Setting("GRPO", {"loss_type": "dapo", "epsilon_high": 0.28})),
    ("dr_grpo", Setting("GRPO", {"loss_type": "dr_grpo"})),
    ("ppo_clip", Setting("GRPO", {"loss_type": "bnpo"})),
    ("gspo", Setting("GRPO", GSPO)),
    ("gspo_token", Setting("GRPO", GSPO)),
    ("gspo objective.normalize=sum", Setting("GRPO", {**GSPO, "loss_type": "luspo"})),
    ("gmpo", Setting("GMPO")),
    ("sapo", Setting("GRPO", {"loss_type": "sapo"})),
    (
        "sapo objective.gate.tau_pos=2 objective.gate.tau_neg=3",
        Setting("GRPO", {"loss_type": "sapo", "sapo_temperature_pos": 2.0, "sapo_temperature_neg": 3.0}),
    ),
    ("cispo", Setting("GRPO", {"loss_type": "cispo", "epsilon_high": 5.0})),
    ("cispo objective.gate.cap=1.2", Setting("GRPO", {"loss_type": "cispo", "epsilon_high": 1.2})),
    # Left unset, TRL's cap is epsilon = 0.2.
    ("cispo objective.gate.cap=0.2", Setting("GRPO", {"loss_type": "cispo"})),
    ("vespo", Setting("GRPO", {"loss_type": "vespo"})),
    ("rloo", Setting("RLOO")),
    ("grpo objective.gate.dual_clip=1.5", Setting("GRPO", {"loss_type": "grpo", "delta": 1.5})),
    (
        "grpo objective.kl.coef=0.04",
        Setting("GRPO", {"loss_type": "grpo", "beta": 0.04, "use_bias_correction_kl": False}),
    ),
    ("gmpo objective.kl.coef=0.04", Setting("GMPO", {"beta": 0.04})),
    (
        "dapo objective.entropy_coef=0.01",
        Setting("GRPO", {"loss_type": "dapo", "epsilon_high": 0.28, "entropy_coef": 0.01}),
    ),
]
VLLM = {"use_vllm": True, "vllm_importance_sampling_clip_max": 2.0}
TOKEN = {**VLLM, "vllm_importance_sampling_mode": "token_truncate"}
SEQUENCE = {**VLLM, "vllm_importance_sampling_mode": "sequence_truncate"}
TOKEN_MASK = {**TOKEN, "vllm_importance_sampling_mode": "token_mask", "vllm_importance_sampling_clip_min": 0.5}
SEQUENCE_MASK = {
    **VLLM,
    "vllm_importance_sampling_mode": "sequence_mask",
    "vllm_importance_sampling_clip_min": 0.05,
    "vllm_importance_sampling_clip_max": 20.0,
}
NEGATIVES = {"off_policy_mask_threshold": 0.1}
DAPO = {"loss_type": "dapo", "epsilon_high": 0.28}
BAND = "objective.correction.mask.level"
WHOLE = (
    f"objective.correction.level=sequence objective.correction.cap=null {BAND}=sequence"
    " objective.correction.mask.low=0.05 objective.correction.mask.high=20"
)
CORRECTED = [
    ("grpo objective.correction.level=token", Setting("GRPO", {"loss_type": "grpo", **TOKEN})),
    ("grpo objective.correction.level=sequence", Setting("GRPO", {"loss_type": "grpo", **SEQUENCE})),
    (
        "dapo objective.correction.level=token objective.correction.cap=3",
        Setting("GRPO", {"loss_type": "dapo", "epsilon_high": 0.28, **TOKEN, "vllm_importance_sampling_clip_max": 3.0}),
    ),
    ("dr_grpo objective.correction.level=sequence", Setting("GRPO", {"loss_type": "dr_grpo", **SEQUENCE})),
    ("gspo objective.correction.level=sequence", Setting("GRPO", {**GSPO, **SEQUENCE})),
    ("sapo objective.correction.level=token", Setting("GRPO", {"loss_type": "sapo", **TOKEN})),
    ("cispo objective.correction.level=token", Setting("GRPO", {"loss_type": "cispo", "epsilon_high": 5.0, **TOKEN})),
    ("vespo objective.correction.level=token", Setting("GRPO", {"loss_type": "vespo", **TOKEN})),
    (
        "grpo objective.correction.level=token objective.correction.floor=0.5",
        Setting("GRPO", {"loss_type": "grpo", **TOKEN, "vllm_importance_sampling_clip_min": 0.5}),
    ),
    (f"grpo objective.correction.level=token {BAND}=token", Setting("GRPO", {"loss_type": "grpo", **TOKEN_MASK})),
    (f"sapo objective.correction.level=token {BAND}=token", Setting("GRPO", {"loss_type": "sapo", **TOKEN_MASK})),
    (f"dapo {WHOLE}", Setting("GRPO", {**DAPO, **SEQUENCE_MASK})),
    (f"gspo {WHOLE}", Setting("GRPO", {**GSPO, **SEQUENCE_MASK})),
    ("grpo objective.correction.mask_negative_above=0.1", Setting("GRPO", {"loss_type": "grpo", **NEGATIVES})),
    (
        "dapo objective.correction.level=token objective.correction.mask_negative_above=0.1",
        Setting("GRPO", {**DAPO, **TOKEN, **NEGATIVES}),
    ),
    (
        "grpo objective.correction.level=token objective.kl.coef=0.04",
        Setting("GRPO", {"loss_type": "grpo", "beta": 0.04, "use_bias_correction_kl": False, **TOKEN}),
    ),
]
# With the grid of log-probabilities, 2^-60 being none.
ROUNDED = [
    ("rloo", Setting("RLOO"), 2**-60),
    ("sapo", Setting("GRPO", {"loss_type": "sapo"}), 2**-16),
    (
        "sapo objective.gate.tau_pos=10 objective.gate.tau_neg=12",
        Setting("GRPO", {"loss_type": "sapo", "sapo_temperature_pos": 10.0, "sapo_temperature_neg": 12.0}),
        2**-16,
    ),
]
ADVANTAGE_PEERS = [
    ("group_zscore", Setting("GRPO")),
    ("group_mean", Setting("GRPO", {"scale_rewards": "none"})),
    ("leave_one_out", Setting("RLOO")),
]


def random_batch(seed: int, spread: float, dtype: torch.dtype = torch.float32, step: float = 2**-16) -> PolicyBatch:
    """A whole update: responses of 1 to T tokens with holes, advantages of both signs, log-ratios of width `spread`.

    Log-probabilities are multiples of `step`, so that every order of summing them gives the same number. Those of the
    sampler are 0.5 away from the old ones.
    """
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype)

    length_B1 = torch.randint(1, T + 1, (B, 1), generator=generator)
    mask_BT = (torch.arange(T) < length_B1) & (torch.rand(B, T, generator=generator) > 0.15)
    mask_BT[:, 0] = True
    logp_BT = torch.round((-0.1 - normal(B, T).abs()) / step) * step
    old_logp_BT = torch.round((logp_BT - spread * normal(B, T)) / step) * step
    return PolicyBatch(
        logp_BT=logp_BT,
        old_logp_BT=old_logp_BT,
        advantage_B=normal(B),
        mask_BT=mask_BT,
        reference_logp_BT=logp_BT + 0.3 * normal(B, T),
        entropy_BT=normal(B, T).abs(),
        rollout_logp_BT=torch.round((old_logp_BT - 0.5 * normal(B, T)) / step) * step,
    )


def change(batch: PolicyBatch, edit: Callable[[Tensor], Tensor]) -> PolicyBatch:
    """`batch` with `edit` applied to each of its tensors."""
    named = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: edit(value) for name, value in named.items() if value is not None})


def doubled(batch: PolicyBatch) -> PolicyBatch:
    """The same numbers in double precision."""
    return change(batch, lambda value: value if value.dtype == torch.bool else value.double())


def cut(batch: PolicyBatch, pieces: int) -> list[PolicyBatch]:
    """`batch` in micro-batches of equally many responses."""

    def piece(n: int) -> PolicyBatch:
        return change(batch, lambda value: value.chunk(pieces)[n])

    return [piece(n) for n in range(pieces)]


def tokens_of(*batches: PolicyBatch) -> int:
    return sum(int(batch.mask_BT.sum()) for batch in batches)


def total(losses: Iterable[Tensor]) -> Tensor:
    return sum(losses, torch.zeros(()))


def losses_and_gradient(loss: Callable[[PolicyBatch], Tensor], batch: PolicyBatch) -> tuple[Tensor, Tensor]:
    """The loss of the positive advantages and that of the negative ones; the gradient of the whole, [2, B, T], by
    log-probabilities and by entropies.

    The two signs together nearly cancel, and would leave a loss that is little but rounding.
    """
    signs = (batch.advantage_B.clamp(min=0), batch.advantage_B.clamp(max=0))
    losses = torch.stack([loss(replace(batch, advantage_B=advantage_B)) for advantage_B in signs])
    logp_BT, entropy_BT = (leaf.clone().requires_grad_() for leaf in (batch.logp_BT, batch.needed("entropy_BT")))
    whole = loss(replace(batch, logp_BT=logp_BT, entropy_BT=entropy_BT))
    return losses, torch.stack(torch.autograd.grad(whole, (logp_BT, entropy_BT), materialize_grads=True))


@cache
def load(words: str) -> Objective:
    name, *overrides = words.split()
    return load_objective(name, overrides)


def ours(words: str, batch: PolicyBatch, pieces: int = 1) -> tuple[Tensor, Tensor]:
    counts = Counts(len(batch.advantage_B), tokens_of(batch), MAX_COMPLETION_LENGTH)
    return losses_and_gradient(
        lambda batch: total(load(words)(part, counts).loss for part in cut(batch, pieces)), batch
    )


def theirs(trainer: Any, batch: PolicyBatch, pieces: int = 1) -> tuple[Tensor, Tensor]:
    tokens = tokens_of(batch)
    return losses_and_gradient(
        lambda batch: total(loss_of(trainer, part, tokens) for part in cut(batch, pieces)), batch
    )


def difference(value: Tensor, expected: Tensor) -> float:
    """max |value - expected| / max |expected|."""
    return ((value - expected).abs().max() / expected.abs().max()).item()


@pytest.fixture(scope="module")
def table() -> Iterator[list[str]]:
    """Lines that the tests leave, printed at the end."""
    lines = [VERSIONS]
    yield lines
    print("", *lines, sep="\n")


@pytest.mark.parametrize(("words", "setting"), PEERS + CORRECTED, ids=[words for words, _ in PEERS + CORRECTED])
def test_loss_and_gradient_are_trls(words: str, setting: Setting, tmp_path: Path, table: list[str]) -> None:
    trainer = build(setting, tmp_path, NO_REWARD_PG)
    cells = []
    for dtype, tolerance in TOLERANCE.items():
        worst = [0.0, 0.0]
        # At the widest, float32 leaves TRL's sigmoid too few digits: see test_where_trl_rounds_more.
        spreads = SPREADS[:-1] if words.startswith("sapo") and dtype == torch.float32 else SPREADS
        for spread, seed in product(spreads, SEEDS):
            batch = random_batch(seed, spread, dtype)
            pairs = zip(ours(words, batch), theirs(trainer, batch), strict=True)
            # A maximum of Python would pass over a NaN.
            worst = torch.tensor([worst, [difference(*pair) for pair in pairs]]).amax(0).tolist()
        assert worst[0] <= tolerance and worst[1] <= tolerance, f"loss and gradient in {dtype} differ by {worst}"
        cells += [f"{value:.1e}" for value in worst]
    for side in ("low", "high"):
        shares = trainer._metrics["train"].get(f"clip_ratio/{side}_mean", [1.0])
        assert max(shares) > 0, f"no token was clipped on the {side} side"
    if trainer.use_vllm:
        weight_BT = sampler_weights(trainer, random_batch(0, SPREADS[-1]))
        cap = setting.arguments["vllm_importance_sampling_clip_max"]
        if setting.arguments["vllm_importance_sampling_mode"].endswith("mask"):
            assert weight_BT.min() == 0 < weight_BT.max() <= cap
        else:
            assert weight_BT.min() < 1 < weight_BT.max() == cap
    table.append(f"| {words} | {setting} | {' | '.join(cells)} |")


@pytest.mark.parametrize(("words", "setting", "step"), ROUNDED, ids=[words for words, *_ in ROUNDED])
def test_where_trl_rounds_more(words: str, setting: Setting, step: float, tmp_path: Path, table: list[str]) -> None:
    trainer = build(setting, tmp_path)
    worst = [0.0, 0.0]
    for seed in SEEDS:
        batch = random_batch(seed, SPREADS[-1], step=step)
        _, exact = theirs(trainer, doubled(batch))
        gradients = (ours(words, batch)[1], theirs(trainer, batch)[1])
        worst = [max(w, difference(gradient, exact)) for w, gradient in zip(worst, gradients, strict=True)]
    table.append(f"| {words} | {setting} | {worst[0]:.1e} | {worst[1]:.1e} |")
    assert worst[0] <= 1e-6 and worst[0] < worst[1]


def test_trl_bnpo_depends_on_the_cut_and_ours_does_not(tmp_path: Path, table: list[str]) -> None:
    batch = random_batch(0, SPREADS[-1])
    bnpo = Setting("GRPO", {"loss_type": "bnpo"})
    _, whole = theirs(build(bnpo, tmp_path), batch)
    _, trl_cut = theirs(build(bnpo, tmp_path, accumulation_steps=4), batch, pieces=4)
    _, our_cut = ours("ppo_clip", batch, pieces=4)
    found, expected = difference(our_cut, whole), difference(trl_cut, whole)
    table.append(f"bnpo, four micro-batches against one: ours {found:.1e}, TRL {expected:.1e}")
    assert found <= 1e-6 < 0.05 < expected


def test_trl_dapo_divides_by_the_mean_tokens_of_the_updates_of_a_rollout(tmp_path: Path, table: list[str]) -> None:
    updates = [random_batch(seed, SPREADS[-1]) for seed in range(4)]
    trainer = build(Setting("GRPO", {"loss_type": "dapo", "epsilon_high": 0.28}), tmp_path, steps_per_generation=4)
    tokens = tokens_of(*updates)
    gradients = [losses_and_gradient(lambda batch: loss_of(trainer, batch, tokens), update)[1] for update in updates]
    expected = [ours("dapo", update)[1] for update in updates]
    differences = [difference(*pair) for pair in zip(gradients, expected, strict=True)]
    table.append(f"dapo, four updates of a rollout: up to {max(differences):.1e}")
    for update, gradient, ours_of_it in zip(updates, gradients, expected, strict=True):
        assert difference(gradient * (tokens / 4), ours_of_it * tokens_of(update)) <= 1e-6
    assert max(differences) > 0.05


def test_trl_weighs_the_kl_by_the_ratio_and_on_policy_that_is_k2(tmp_path: Path, table: list[str]) -> None:
    trainer = build(Setting("GRPO", {"loss_type": "grpo", "beta": 0.04}), tmp_path)
    k3, k2 = (f"grpo objective.kl.coef=0.04 objective.kl.estimator={name}" for name in ("k3", "k2"))
    for spread in (0.0, 0.3):
        # Without advantages the KL is all there is.
        batch = replace(random_batch(0, spread), advantage_B=torch.zeros(B))
        _, gradient = theirs(trainer, batch)
        found = {words: difference(ours(words, batch)[1], gradient) for words in (k3, k2)}
        table += [f"{words}, spread {spread}: {value:.1e}" for words, value in found.items()]
        assert found[k3] > 0.1
        assert found[k2] <= 1e-6 if spread == 0 else found[k2] > 0.01


def test_token_weights_under_the_ratio_of_a_response_are_averaged_by_trl(tmp_path: Path, table: list[str]) -> None:
    """Each token of `gspo_token` moves by its own weight; `gspo` refuses level=token."""
    trainer = build(Setting("GRPO", {**GSPO, **TOKEN}), tmp_path, NO_REWARD_PG)
    batch = random_batch(0, SPREADS[0])
    weight_BT = sampler_weights(trainer, batch)
    mean_B = (weight_BT * batch.mask_BT).sum(1) / batch.mask_BT.sum(1)
    losses, gradient = theirs(trainer, batch)
    averaged = difference(ours("gspo", replace(batch, advantage_B=batch.advantage_B * mean_B))[1], gradient)
    own_losses, own = ours("gspo_token objective.correction.level=token", batch)
    found = difference(own, gradient)
    table.append(f"gspo, token weights: averaged {averaged:.1e}, gspo_token {found:.1e}")
    assert averaged <= 1e-6 < 0.05 < found
    assert difference(own_losses, losses) <= 1e-6


@pytest.mark.parametrize("name", ["grpo", "sapo"])
def test_one_ratio_beyond_float32_makes_trls_gradient_nan_and_not_ours(name: str, tmp_path: Path) -> None:
    batch = random_batch(0, SPREADS[-1])
    old_logp_BT = batch.old_logp_BT.clone()
    old_logp_BT[0, 0] -= 95
    batch = replace(batch, old_logp_BT=old_logp_BT, advantage_B=torch.ones(B))
    assert theirs(build(Setting("GRPO", {"loss_type": name}), tmp_path), batch)[1].isnan().any()
    assert ours(name, batch)[1].isfinite().all()


def random_rewards(scale: float) -> Tensor:
    """[4, 8], with a tied group and a reward that could not be had."""
    reward_PG = scale * torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    reward_PG[1] = scale / 2
    reward_PG[2, 3] = torch.nan
    return reward_PG


@pytest.mark.parametrize(("name", "setting"), ADVANTAGE_PEERS, ids=[name for name, _ in ADVANTAGE_PEERS])
def test_advantages_are_trls(name: str, setting: Setting, tmp_path: Path, table: list[str]) -> None:
    # TRL adds 1e-4 to the standard deviation where we add 1e-6; next to rewards this large neither counts.
    reward_PG = random_rewards(scale=1e4)
    found = difference(ADVANTAGES[name](reward_PG), advantages(build(setting, tmp_path, reward_PG), 4, 8))
    table.append(f"| {name} | {setting} | {found:.1e} |")
    assert found <= 1e-6


def test_where_advantages_differ(tmp_path: Path, table: list[str]) -> None:
    binary_PG = (torch.rand(16, 8, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    epsilon = difference(
        ADVANTAGES["group_zscore"](binary_PG), advantages(build(Setting("GRPO"), tmp_path, binary_PG), 16, 8)
    )
    tied_PG = torch.full((2, 8), 0.3)
    tied = advantages(build(Setting("GRPO"), tmp_path, tied_PG), 2, 8).abs().max().item()
    reward_PG = random_rewards(scale=1.0)
    batch = difference(
        ADVANTAGES["batch_zscore"](reward_PG),
        advantages(build(Setting("GRPO", {"scale_rewards": "batch"}), tmp_path, reward_PG), 4, 8),
    )
    table.append(
        f"group_zscore of binary rewards {epsilon:.1e}; a group tied at 0.3 {tied:.1e}; batch_zscore {batch:.1e}"
    )
    assert 1e-6 < epsilon < 1e-3
    assert tied > 0 and not ADVANTAGES["group_zscore"](tied_PG).any()
    assert batch > 0.01


def test_the_soft_limit_on_length_is_trls() -> None:
    lengths = range(1, MAX_COMPLETION_LENGTH + 2)
    responses = [trajectory([0], [0] * length, None) for length in lengths]
    found_B = -overlong(responses, OverlongSection(penalty=1.0, buffer=0.25), MAX_COMPLETION_LENGTH)
    expected = soft_overlong_punishment(MAX_COMPLETION_LENGTH, MAX_COMPLETION_LENGTH // 4)
    assert found_B.tolist() == expected([[0] * length for length in lengths])
