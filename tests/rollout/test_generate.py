"""transformers' `generate` as a sampler: the same responses as the native one's, whatever the model's own settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy import special
from transformers import GenerationConfig

from sspo_cli.config.schema import LoraSection
from sspo_cli.models.lora import with_adapters
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import Sampler, uniforms
from sspo_cli.rollout.generate import GenerateSampler
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.types import Completion, Decoding, Key, Request
from tests.sampling import decoding_of, in_order, requests_of
from tests.tiny_models import ARCHITECTURES, SHAPE, config_of, policy_of, random_policy

PROMPTS = [[12, 25, 30], [40, 41, 42, 43, 44, 45, 46], [99], [7, 8, 9, 10, 11]]
ROUNDING = 1e-5  # in log-probability, or in a cumulative distribution
SAMPLERS = (NativeSampler, GenerateSampler)


def drawn(sampler: Sampler, requests: list[Request]) -> list[Completion]:
    return in_order(sampler.sample(iter(requests)))


def margin(policy: Policy, request: Request, before: list[int]) -> float:
    """How far the token after `before` is from being another one: the lead of the likeliest, or how near the number
    that draws is to an end of its token's share."""
    with torch.no_grad():
        logits_V = policy.model(input_ids=torch.tensor([request.context_S + before]), use_cache=False).logits[0, -1]
    logp_V = torch.log_softmax(logits_V.double() / (request.decoding.temperature or 1.0), -1)
    if request.decoding.temperature == 0:
        first, second = logp_V.topk(2).values.tolist()
        return float(first - second)
    uniform = uniforms(0, request.key, len(before) + 1)[-1]
    return float((logp_V.exp().cumsum(-1) - uniform).abs().min())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_samplers_give_equal_responses(architecture: str, temperature: float) -> None:
    policy = random_policy(architecture, spread=0.15)
    requests = requests_of(PROMPTS, decoding_of(policy, temperature, 24), samples=2 if temperature else 1)
    native, generate = (drawn(sampler(policy, 0, 10_000), requests) for sampler in SAMPLERS)
    for request, one, other in zip(requests, native, generate, strict=True):
        assert one.key == other.key == request.key
        same = next((t for t, pair in enumerate(zip(one.token_T, other.token_T, strict=False)) if len({*pair}) > 1), 24)
        if one.token_T != other.token_T:
            # The one accepted cause: a tie within rounding.
            assert margin(policy, request, one.token_T[:same]) < ROUNDING
        assert (one.logp_T[:same] - other.logp_T[:same]).abs().max() < 1e-4
        assert one.token_T != other.token_T or one.finish == other.finish


def test_a_margin_tells_a_tie_from_a_choice() -> None:
    policy = random_policy(spread=0.15)
    request = requests_of(PROMPTS, decoding_of(policy, 0.0, 24))[0]
    assert margin(policy, request, []) > 10 * ROUNDING
    with torch.no_grad():
        policy.model.lm_head.weight.copy_(policy.model.lm_head.weight[:1].expand(258, -1))
    assert margin(policy, request, []) < ROUNDING


def p_of_first_tokens(policy: Policy, sampler: Sampler, temperature: float, of: float, count: int = 4000) -> float:
    """Of Pearson's chi-square test that `count` first tokens at `temperature` follow the softmax at temperature `of`;
    tokens expected less than 5 times are one cell."""
    prompt = PROMPTS[1]
    decoding = decoding_of(policy, temperature, 1)
    first = [item.token_T[0] for item in drawn(sampler, requests_of([prompt], decoding, samples=count))]
    with torch.no_grad():
        expected_V = count * torch.softmax(policy.model(torch.tensor([prompt])).logits[0, -1].double() / of, -1).numpy()
    found_V, common_V = np.bincount(first, minlength=len(expected_V)), expected_V >= 5
    found, expected = (np.append(x_V[common_V], x_V[~common_V].sum()) for x_V in (found_V, expected_V))
    return float(special.chdtrc(len(found) - 1, ((found - expected) ** 2 / expected).sum()))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_first_tokens_follow_the_models_distribution(sampler: Callable[..., Sampler], temperature: float) -> None:
    """Of two samplers that are right, at two temperatures, one would fail with probability 4e-4; the seeds are fixed,
    and differ, so that the two are not one sample."""
    policy = random_policy(spread=0.2)
    seed = 1 + SAMPLERS.index(cast(Any, sampler))
    right, wrong = (
        p_of_first_tokens(policy, sampler(policy, seed, 300_000), temperature, of) for of in (temperature, 0.85)
    )
    assert wrong < 1e-4 < right


def test_settings_of_the_model_itself_do_not_act() -> None:
    policy = random_policy(spread=0.1)
    requests = requests_of(PROMPTS, decoding_of(policy, 1.0, 24), samples=2)
    expected = [item.token_T for item in drawn(GenerateSampler(policy, 0, 10_000), requests)]
    policy.model.generation_config = own = GenerationConfig(
        do_sample=True, temperature=0.1, top_k=2, top_p=0.1, repetition_penalty=5.0, no_repeat_ngram_size=1,
        min_new_tokens=24, suppress_tokens=list(range(2, 200)), max_length=5, num_beams=3, eos_token_id=1,
        pad_token_id=0, use_cache=False, num_return_sequences=2,
    )  # fmt: skip
    assert [item.token_T for item in drawn(GenerateSampler(policy, 0, 10_000), requests)] == expected
    assert policy.model.generation_config is own and own.top_k == 2


def test_ids_without_a_token_are_not_drawn() -> None:
    policy = policy_of(config_of("llama", **{**SHAPE, "vocab_size": 400}), spread=0.1)
    assert policy.no_text_V is not None
    requests = requests_of(PROMPTS, decoding_of(policy, 1.0, 24), samples=8)
    native, generate = (drawn(sampler(policy, 0, 10_000), requests) for sampler in SAMPLERS)
    assert max(token for item in generate for token in item.token_T) < 258
    assert [item.token_T for item in native] == [item.token_T for item in generate]


def test_adapters_take_part() -> None:
    policy = random_policy(spread=0.1)
    requests = requests_of(PROMPTS, decoding_of(policy, 1.0, 24), samples=2)
    plain = [item.token_T for item in drawn(GenerateSampler(policy, 0, 10_000), requests)]
    adapted = with_adapters(policy, LoraSection(rank=4, alpha=32.0), 0, cast(Any, object()))
    with torch.no_grad():
        for name, weight in adapted.model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.05)
    native, generate = (drawn(sampler(adapted, 0, 10_000), requests) for sampler in SAMPLERS)
    assert [item.token_T for item in native] == [item.token_T for item in generate] != plain


def test_the_random_numbers_of_torch_are_left_alone() -> None:
    policy = random_policy(spread=0.1)
    before = torch.random.get_rng_state()
    drawn(GenerateSampler(policy, 0, 10_000), [Request(Key("eval", 0, 0, 0), [5, 6], Decoding(1.0, 8, (1,)))])
    assert torch.equal(before, torch.random.get_rng_state())
