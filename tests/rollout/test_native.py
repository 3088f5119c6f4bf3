"""The native sampler against transformers, itself under other batch cuts, and the distribution that it claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from sspo_cli.config.schema import TinyModel
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import to_microbatch
from sspo_cli.models.load import load_policy
from sspo_cli.models.policy import Policy
from sspo_cli.rollout import native
from sspo_cli.rollout.base import uniforms
from sspo_cli.rollout.cache import SlotCache
from sspo_cli.rollout.decode import sample_token
from sspo_cli.rollout.native import FREE_SHARE_TO_ENTER, Batch
from sspo_cli.types import Completion, Key, Request
from tests.sampling import decoding_of, sampled
from tests.steps import trajectory
from tests.tiny_models import ARCHITECTURES, random_policy

PROMPTS = [[12, 25, 30], [40, 41, 42, 43, 44, 45, 46], [99], [7, 8, 9, 10, 11]]


def run(policy: Policy, temperature: float = 1.0, samples: int = 1, tokens_in_flight: int = 10_000) -> list[Completion]:
    return sampled(policy, PROMPTS, decoding_of(policy, temperature, 24), samples, tokens_in_flight)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_greedy_decoding_equals_transformers_generate(architecture: str) -> None:
    policy = random_policy(architecture)
    for prompt, response in zip(PROMPTS, run(policy, temperature=0), strict=True):
        expected = policy.model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=24, do_sample=False
        )
        assert response.token_T == expected[0, len(prompt) :].tolist()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_log_probabilities_as_drawn_equal_those_of_the_trainer(architecture: str) -> None:
    policy = random_policy(architecture, spread=0.15)
    responses = run(policy, temperature=0.7, samples=3)
    group = [trajectory(PROMPTS[i // 3], item.token_T, item.logp_T) for i, item in enumerate(responses)]
    microbatch = to_microbatch(group, policy.pad_id, policy.device)
    logp_BT, _ = token_logprobs(policy, microbatch, temperature=0.7)
    gap_BT = (logp_BT - microbatch.logps["old_logp_BT"]).abs()[microbatch.mask_BT]
    assert gap_BT.max() < 1e-5


def test_on_the_embedded_model_sampler_and_trainer_are_one_function() -> None:
    """In double precision nothing but rounding is left of the difference, on a model as sharp as trained ones are."""
    embedded = load_policy(TinyModel(kind="tiny"), seed=0, device=torch.device("cpu"))
    policy = Policy(embedded.model.double(), embedded.tokenizer)
    prompts = [policy.tokenizer(text)["input_ids"] for text in ("1+2=", "37+85+12=", "99+98+97+96=")]
    responses = sampled(policy, prompts, decoding_of(policy, 1.0, 24), samples=16)
    group = [trajectory(prompts[i // 16], item.token_T, item.logp_T) for i, item in enumerate(responses)]
    microbatch = to_microbatch(group, policy.pad_id, policy.device)
    logp_BT, _ = token_logprobs(policy, microbatch, temperature=1.0)
    assert microbatch.logps["old_logp_BT"].dtype == torch.float64
    assert (logp_BT - microbatch.logps["old_logp_BT"]).abs()[microbatch.mask_BT].max() < 1e-9


ALL_WAYS = [(name, slots, looks) for name in ("llama", "gpt2", "gemma3") for slots in (1, 3, 5, 31) for looks in (1, 7)]
ONE_WAY = [(name, 5, 7) for name in ARCHITECTURES]


@pytest.mark.parametrize(("architecture", "slots", "looks"), sorted({*ALL_WAYS, *ONE_WAY}))
def test_a_sample_does_not_depend_on_slots_company_and_when_rows_leave(
    architecture: str, slots: int, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 samples of prompts of four lengths pass through few slots: rows enter in the middle, and columns shift."""
    policy = random_policy(architecture, spread=0.1)
    policy.model.generation_config.eos_token_id = list(range(1, 258, 20))
    together = run(policy, samples=10)
    assert len({len(item.token_T) for item in together}) > 3, "rows must leave at different times"
    monkeypatch.setitem(native.STEPS_BETWEEN_LOOKS, "cpu", looks)
    apart = run(policy, samples=10, tokens_in_flight=slots * (7 + 24 + looks))
    assert [item.token_T for item in together] == [item.token_T for item in apart]
    gaps = [(one.logp_T - other.logp_T).abs().max() for one, other in zip(together, apart, strict=True)]
    assert max(gaps) < 1e-5


def test_a_long_prompt_finds_room_among_short_rows() -> None:
    policy = random_policy(spread=0.05)
    prompts = [[20 + i] for i in range(12)] + [list(range(60 + i, 80 + i)) if i % 3 else [40 + i] for i in range(30)]

    def responses(slots: int) -> list[list[int]]:
        drawn = sampled(policy, prompts, decoding_of(policy, 1.0, 4), tokens_in_flight=slots * (20 + 4 + 1))
        return [item.token_T for item in drawn]

    assert responses(2) == responses(42)


def test_what_hidden_columns_hold_is_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that begin late stand on columns that others have used; what those held must not show through."""
    policy, expected = random_policy(spread=0.1), run(random_policy(spread=0.1), samples=10)
    plain = SlotCache.keep

    def spoiled(cache: SlotCache, *moved: Any) -> None:
        plain(cache, *moved)
        for layer in cache.layers:
            for stored in layer.stored:
                stored[cache.at.rows :] = float("nan")
                stored[:, :, : cache.at.begin] = float("nan")

    monkeypatch.setattr(SlotCache, "keep", spoiled)
    found = run(policy, samples=10, tokens_in_flight=5 * 32)
    assert [item.token_T for item in found] == [item.token_T for item in expected]


@pytest.mark.parametrize("slots", [18, 39])
def test_rows_enter_in_turns_and_the_last_as_soon_as_they_fit(slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[tuple[int, int]] = []
    plain = Batch.enter

    def watched(batch: Batch, requests: Sequence[Request], version: int) -> None:
        entered.append((batch.slots - batch.cache.at.rows, len(requests)))
        plain(batch, requests, version)

    monkeypatch.setattr(Batch, "enter", watched)
    run(random_policy(spread=0.05), samples=10, tokens_in_flight=slots * 32)
    *turns, (free, last) = entered
    assert all(free == count >= FREE_SHARE_TO_ENTER * slots for free, count in turns)
    if slots == 39:
        assert last == 1 and free < FREE_SHARE_TO_ENTER * slots


@pytest.mark.parametrize("tokens_in_flight", [10_000, 400])
def test_a_prompt_is_read_once_for_its_group(tokens_in_flight: int) -> None:
    """As long as all samples of a group enter together; with few slots a group may be cut in two."""
    policy = random_policy()
    read: list[int] = []
    hook = policy.model.register_forward_pre_hook(
        lambda module, arguments, options: (
            read.append(int(options["attention_mask"].sum())) if options["input_ids"].shape[1] > 1 else None
        ),
        with_kwargs=True,
    )
    run(policy, samples=4, tokens_in_flight=tokens_in_flight)
    hook.remove()
    held = sum(map(len, PROMPTS))
    if tokens_in_flight == 10_000:
        assert sum(read) == held
    else:
        assert held <= sum(read) < 2 * held and len(read) > 1


def test_log_probabilities_as_drawn_can_be_saved_for_a_backward_pass() -> None:
    scale = torch.ones((), requires_grad=True)
    for response in run(random_policy()):
        (scale * response.logp_T).sum().backward()  # type: ignore[no-untyped-call]
    assert scale.grad is not None and scale.grad < 0


def test_every_request_is_answered_once() -> None:
    drawn = run(random_policy(spread=0.1), samples=10, tokens_in_flight=5 * 32)
    assert [item.key for item in drawn] == [Key("train", 1, p, k) for p in range(4) for k in range(10)]


def test_every_sample_has_a_stream_of_its_own_that_repeats() -> None:
    def drawn(seed: int, step: int, p: int, k: int) -> tuple[float, ...]:
        return tuple(uniforms(seed, Key("train", step, p, k), 5).tolist())

    places = [(seed, step, p, k) for seed in range(2) for step in range(3) for p in range(4) for k in range(4)]
    assert len({drawn(*place) for place in places}) == len(places)
    assert drawn(1, 2, 3, 0) == drawn(1, 2, 3, 0)
    evaluated = [uniforms(1, Key("eval", step, 3, 0), 5) for step in (0, 2)]
    assert torch.equal(*evaluated), "evaluations draw with the same numbers at every step"
    assert tuple(evaluated[1].tolist()) not in {drawn(*place) for place in places}


def test_responses_end_with_a_stop_token_or_are_truncated() -> None:
    policy = random_policy(spread=0.05)
    responses = run(policy, samples=64)
    assert any(not item.truncated for item in responses), "the case must contain both kinds"
    for item in responses:
        assert (item.token_T[-1] in policy.stop_ids) == (not item.truncated)
        assert not set(item.token_T[:-1]) & set(policy.stop_ids)
        assert len(item.token_T) == len(item.logp_T) <= 24


@pytest.mark.parametrize("V", [1, 1023, 1024, 1025, 5000])
def test_blocks_of_the_vocabulary_change_no_draw(V: int) -> None:
    generator = torch.Generator().manual_seed(V)
    logits_RV = torch.randn(300, V, generator=generator, dtype=torch.float64) * 3
    logits_RV[:, V // 3] = float("-inf") if V > 1 else 0.0
    uniform_R = torch.rand(300, generator=generator, dtype=torch.float64)
    uniform_R[:2] = torch.tensor([0.0, 1 - 2**-53])
    token_R, _ = sample_token(logits_RV, uniform_R, temperature=0.8)
    cumulative_RV = torch.softmax(logits_RV / 0.8, -1).cumsum(-1)
    expected_R = (cumulative_RV <= (uniform_R * cumulative_RV[:, -1])[:, None]).sum(-1).clamp(max=V - 1)
    assert token_R.tolist() == expected_R.tolist()


def test_draws_follow_the_tempered_distribution() -> None:
    logits_V = torch.tensor([1.0, -0.5, 0.3, float("-inf"), 2.0])
    uniform_R = torch.from_numpy(np.random.default_rng(0).random(200_000))
    token_R, logp_R = sample_token(logits_V.expand(len(uniform_R), -1), uniform_R, temperature=2.0)
    probability_V = torch.softmax(logits_V / 2.0, -1)
    share_V = torch.bincount(token_R, minlength=5) / len(token_R)
    assert torch.allclose(share_V, probability_V, atol=5e-3)
    assert share_V[3] == 0
    assert torch.allclose(logp_R, probability_V.log()[token_R])
