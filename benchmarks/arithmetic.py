"""How much work a rollout and an update need at the least, counted by hand from the shapes.

Only what no implementation can do without counts: real tokens, never padding; attention to the past, never to the
masked half; logits where a response token is predicted, nowhere else; nothing computed twice. A multiplication and
its addition are two operations. The backward pass of a product is two products of the same size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.workload import Workload

FLOAT32 = 4
FORWARD_AND_BACKWARD = 3

Product = tuple[int, int]  # (inputs, outputs) of a linear layer


def linear_layers(workload: Workload) -> dict[Product, int]:
    """How many linear layers of each shape one token passes on its way to its last hidden state."""
    H, F, L = workload.hidden, workload.intermediate, workload.layers
    layers: dict[Product, int] = {}
    for shape, count in (((H, H), 4 * L), ((H, F), 2 * L), ((F, H), L)):
        layers[shape] = layers.get(shape, 0) + count
    return layers


def linear_flops(workload: Workload, tokens: int, predicted: int) -> dict[Product, int]:
    """Forward operations in linear layers by their shape, of `tokens` tokens of which `predicted` need logits."""
    H, V = workload.hidden, workload.vocabulary
    flops = {(i, o): 2 * i * o * count * tokens for (i, o), count in linear_layers(workload).items()}
    flops[H, V] = flops.get((H, V), 0) + 2 * H * V * predicted
    return flops


def attention_flops(workload: Workload, lengths: Sequence[int], first: Sequence[int] | None = None) -> int:
    """Forward operations of causal attention over sequences of `lengths` tokens: each token meets itself and its past.

    first: the first position of each sequence that is computed, the ones before it being cached; 0 by default.
    """
    starts = first or [0] * len(lengths)
    pairs = sum(n * (n + 1) // 2 - s * (s + 1) // 2 for n, s in zip(lengths, starts, strict=True))
    return 4 * workload.hidden * workload.layers * pairs


def decode_bytes(workload: Workload, prompts: Sequence[int], responses: Sequence[int]) -> int:
    """Bytes that decoding has to move: at every step the weights once, and for every row that is not finished the keys
    and values of its past, and its new ones.

    prompts, responses: tokens of each row. The first token comes from the prompt's own pass, so that a response of T
    tokens takes T - 1 steps.
    """
    per_token = 2 * workload.layers * workload.hidden * FLOAT32
    steps = max(responses) - 1
    moved = steps * workload.parameters * FLOAT32
    for S, T in zip(prompts, responses, strict=True):
        # Step t reads S + t tokens and writes one, for t = 0 .. T - 2.
        moved += per_token * ((T - 1) * (S + 1) + (T - 1) * (T - 2) // 2)
    return moved


def need_of(workload: Workload, prompts: Sequence[int], responses: Sequence[int]) -> dict[str, Any]:
    """What one rollout of these lengths, and one pass of updates over it, need at the least.

    linear: operations by shape, [inputs, outputs, operations], of the forward pass alone; attention: beside them.
    """
    tokens, predicted, rows = sum(prompts) + sum(responses), sum(responses), len(responses)
    # While sampling, a prompt is read once for its group, and nothing follows the last token of a response.
    read_once = sum(prompts) // workload.samples_per_prompt + predicted - rows
    update = linear_flops(workload, tokens, predicted)
    decode = linear_flops(workload, read_once, predicted)
    ends = [S + T for S, T in zip(prompts, responses, strict=True)]
    return {
        "update_linear": [[*shape, flops] for shape, flops in update.items()],
        "update_attention": attention_flops(workload, ends),
        "decode_linear": [[*shape, flops] for shape, flops in decode.items()],
        "decode_attention": attention_flops(workload, [end - 1 for end in ends], prompts),
        "decode_bytes": decode_bytes(workload, prompts, responses),
    }
