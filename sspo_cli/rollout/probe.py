"""Fixed tokens to compare two engines by: log-probabilities of tokens that no engine has chosen."""

from __future__ import annotations

import torch
from torch import Tensor

from sspo_cli.models.head import at_least_float32
from sspo_cli.models.policy import Policy

# Nats of log pi of one token, by the precision of matrix products.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.25}


def plain_tokens(policy: Policy) -> list[int]:
    """Ids that the tokenizer has a token for and the model an output, without special tokens."""
    vocabulary = policy.model.get_output_embeddings().weight.shape[0]
    special = set(policy.tokenizer.all_special_ids)
    return sorted(t for t in policy.tokenizer.get_vocab().values() if t < vocabulary and t not in special)


def fixed_tokens(policy: Policy, length: int) -> list[int]:
    """Tokens in random order, the same for every policy with this vocabulary.

    Hardly any of them is likely: the log-probability of a token that a policy is sure of stays near 0 under other
    weights too.
    """
    plain = plain_tokens(policy)
    generator = torch.Generator().manual_seed(0)
    return [plain[place] for place in torch.randint(len(plain), (length,), generator=generator).tolist()]


@torch.no_grad()
def logp_of(policy: Policy, tokens: list[int]) -> Tensor:
    """log pi of every token but the first by the policy, over all ids that the model has: [L - 1], on the CPU."""
    token_1L = torch.tensor([tokens], device=policy.device)
    with policy.autocast():
        logits_LV = policy.model(input_ids=token_1L, use_cache=False).logits[0, :-1]
    logp_LV = logits_LV.to(at_least_float32(logits_LV.dtype)).log_softmax(-1)
    logp_L: Tensor = logp_LV.gather(1, token_1L[0, 1:, None]).squeeze(1)
    return logp_L.cpu()
