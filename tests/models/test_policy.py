"""Ids of the vocabulary that the tokenizer has no token for: never drawn, never counted, never trained."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import Microbatch, to_microbatch
from sspo_cli.models.head import projection
from sspo_cli.models.policy import Policy
from sspo_cli.types import Trajectory
from tests.sampling import decoding_of, sampled
from tests.steps import context_of, response_of, trajectory
from tests.tiny_models import NEOX, SHAPE, config_of, policy_of

V = 320
TEMPERATURE = 0.7
WIDE: dict[str, Any] = {**SHAPE, "vocab_size": V}
PROMPTS = [[12, 25, 30], [40, 41, 42, 43, 44, 45, 46], [99]]
CONFIGS = {
    "projection": config_of("llama", **WIDE),
    "tied": config_of("llama", **WIDE, tie_word_embeddings=True),
    "holes": config_of("llama", **{**WIDE, "eos_token_id": 2}),
    "bias": config_of("phi", **{**NEOX, "vocab_size": V}),
    "whole logits": config_of("gemma2", **WIDE, final_logit_softcapping=5.0, tie_word_embeddings=False),
}


def with_holes() -> Any:
    """A tokenizer whose ids have gaps: even ids below 300 alone have a token."""
    words = {"<pad>": 0, "<eos>": 2, **{f"w{token}": token for token in range(4, 300, 2)}}
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w4")), pad_token="<pad>", eos_token="<eos>"
    )


def drawn(policy: Policy) -> list[Trajectory]:
    responses = sampled(policy, PROMPTS, decoding_of(policy, TEMPERATURE, 12), samples=20, tokens_in_flight=300)
    return [trajectory(PROMPTS[item.key.problem], item.token_T, item.logp_T, 1.0) for item in responses]


def allowed(policy: Policy) -> list[int]:
    return sorted(policy.tokenizer.get_vocab().values())


def expected(policy: Policy, items: list[Trajectory]) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies over the tokens that exist, and no others, of all responses in a row."""
    logps, entropies = [], []
    for item in items:
        logits_LV = policy.model(item.token_L[None], use_cache=False).logits[0]
        logits_TK = logits_LV[len(context_of(item)) - 1 : -1, allowed(policy)] / TEMPERATURE
        logp_TK = logits_TK - logits_TK.logsumexp(-1, keepdim=True)
        place_T = torch.searchsorted(torch.tensor(allowed(policy)), torch.tensor(response_of(item)))
        logps.append(logp_TK.gather(1, place_T[:, None])[:, 0])
        entropies.append(-(logp_TK.exp() * logp_TK).sum(-1))
    return torch.cat(logps), torch.cat(entropies)


def batch_of(policy: Policy, items: list[Trajectory]) -> Microbatch:
    return to_microbatch(items, policy.pad_id, policy.device)


@pytest.fixture(params=CONFIGS)
def policy(request: pytest.FixtureRequest) -> Policy:
    made = policy_of(CONFIGS[request.param], spread=0.15)
    assert (projection(made.model) is None) == (request.param == "whole logits")
    return Policy(made.model, with_holes()) if request.param == "holes" else made


def test_no_sampled_token_is_without_text(policy: Policy) -> None:
    assert policy.no_text_V is not None and int((policy.no_text_V < 0).sum()) == V - len(allowed(policy))
    tokens = [token for item in drawn(policy) for token in response_of(item)]
    assert len(tokens) > 300 and len(set(tokens)) > 80, "the case must draw from most of the vocabulary"
    assert set(tokens) <= set(allowed(policy))


def test_sampler_and_trainer_share_the_distribution_over_tokens_that_exist(policy: Policy) -> None:
    items = drawn(policy)
    batch = batch_of(policy, items)
    logp_BT, entropy_BT = token_logprobs(policy, batch, TEMPERATURE)
    logp_N, entropy_N = expected(policy, items)
    for found_N in (logp_BT[batch.mask_BT], batch.logps["old_logp_BT"][batch.mask_BT]):
        torch.testing.assert_close(found_N, logp_N, rtol=0, atol=1e-5)
    torch.testing.assert_close(entropy_BT[batch.mask_BT], entropy_N, rtol=0, atol=1e-5)


@pytest.mark.parametrize("entropy_coef", [0.0, 0.3])
def test_what_no_token_uses_gets_no_gradient_and_the_rest_the_right_one(policy: Policy, entropy_coef: float) -> None:
    items = drawn(policy)[::7]
    batch = batch_of(policy, items)
    head = policy.model.get_output_embeddings()

    def gradients(logp_N: Tensor, entropy_N: Tensor) -> list[Tensor]:
        policy.model.zero_grad()
        weight_N = torch.linspace(-1, 2, len(logp_N))
        ((weight_N * logp_N).sum() + entropy_coef * (weight_N * entropy_N).sum()).backward()  # type: ignore[no-untyped-call]
        return [parameter.grad.clone() for parameter in head.parameters()]

    parts = token_logprobs(policy, batch, TEMPERATURE, entropy_gradient=True)
    found = gradients(*(part_BT[batch.mask_BT] for part_BT in parts))
    nowhere = [token for token in range(V) if token not in set(allowed(policy))]
    for gradient, right in zip(found, gradients(*expected(policy, items)), strict=True):
        assert (gradient[nowhere] == 0).all()
        torch.testing.assert_close(gradient, right, rtol=1e-3, atol=1e-4)


def test_a_vocabulary_that_the_tokenizer_fills_is_left_alone() -> None:
    assert policy_of(config_of("llama", **SHAPE)).no_text_V is None
