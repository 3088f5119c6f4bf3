"""A few short samples, and whether a sampler and a plain forward pass give them the same log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sspo_cli.models.head import at_least_float32
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import Sampler
from sspo_cli.types import Decoding, Key, Request, Trajectory, single_turn

# Nats of log pi of one token, by the precision of matrix products.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25}
RESPONSE_LENGTH = 6


@dataclass(frozen=True)
class Gap:
    """Distance between two log-probabilities of the same tokens, in nats: mean and maximum."""

    mean: float
    max: float


def probe_samples(
    sampler: Sampler, policy: Policy, lengths: Sequence[int], samples: int, stop_every: int
) -> list[Trajectory]:
    """`samples` responses to random prompts of each of `lengths` tokens, drawn as in a run. stop_every: one token in so
    many ends a response."""
    generator = torch.Generator().manual_seed(0)
    plain = plain_tokens(policy)
    prompts = [[plain[i] for i in torch.randint(len(plain), (length,), generator=generator)] for length in lengths]
    decoding = Decoding(1.0, RESPONSE_LENGTH, tuple(plain[::stop_every]))
    requests = [
        Request(Key("eval", 0, p, k), prompt, decoding) for p, prompt in enumerate(prompts) for k in range(samples)
    ]
    drawn = sorted(sampler.sample(iter(requests)), key=lambda item: item.key)
    return [single_turn(item.key, prompts[item.key.problem], item.token_T, item.logp_T) for item in drawn]


def plain_tokens(policy: Policy) -> list[int]:
    """Ids that the tokenizer has a token for and the model an output, without special tokens."""
    vocabulary = policy.model.get_output_embeddings().weight.shape[0]
    special = set(policy.tokenizer.all_special_ids)
    return sorted(t for t in policy.tokenizer.get_vocab().values() if t < vocabulary and t not in special)


@torch.no_grad()
def plain_logprobs(policy: Policy, item: Trajectory) -> Tensor:
    """log pi of the response, [T], from the logits of the sequence alone."""
    token_1L, T = item.token_L[None].to(policy.device), item.trained
    with policy.autocast():
        logits_TV = policy.model(input_ids=token_1L, use_cache=False, logits_to_keep=T + 1).logits[0, -T - 1 : -1]
    logits_TV = logits_TV.to(at_least_float32(logits_TV.dtype))
    if policy.no_text_V is not None:
        logits_TV = logits_TV + policy.no_text_V
    logp_T: Tensor = logits_TV.log_softmax(-1).gather(1, token_1L[0, -T:, None]).squeeze(1)
    return logp_T


def sampled_logp(item: Trajectory) -> Tensor:
    """The sampler's log-probabilities of the trained tokens, [T]."""
    assert item.sampled_logp_L is not None
    return item.sampled_logp_L[item.trained_L]


def gap_of(found: Sequence[Tensor], expected: Sequence[Tensor]) -> Gap:
    distance_N = torch.cat([(one.cpu() - other.cpu()).abs() for one, other in zip(found, expected, strict=True)])
    return Gap(float(distance_N.mean()), float(distance_N.max()))
