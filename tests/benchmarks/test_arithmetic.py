"""What the benchmark counts is what PyTorch counts, and what a loop over every step would count."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaForCausalLM

from benchmarks.arithmetic import (
    FLOAT32,
    FORWARD_AND_BACKWARD,
    attention_flops,
    decode_bytes,
    linear_flops,
    need_of,
)
from benchmarks.checkpoint import architecture
from benchmarks.workload import EMBEDDED, SIZES, Workload

SMALL = Workload(hidden=32, intermediate=48, layers=3, heads=4, vocabulary=80)
B, L = 5, 11


def counted(*, backward: bool) -> tuple[int, int]:
    """PyTorch's count of B x L tokens without padding: in linear layers, and in attention."""
    model = LlamaForCausalLM(architecture(SMALL))
    model.set_attn_implementation("eager")
    with FlopCounterMode(display=False) as counter:
        logits = model(input_ids=torch.randint(2, 80, (B, L)), use_cache=False).logits
        if backward:
            logits.sum().backward()
    by_op = {op.__name__.split(".")[0]: flops for op, flops in counter.get_flop_counts()["Global"].items()}
    return by_op["mm"], by_op["bmm"]


def test_linear_layers_are_counted_as_pytorch_counts_them() -> None:
    forward, _ = counted(backward=False)
    both, _ = counted(backward=True)
    ours = sum(linear_flops(SMALL, B * L, predicted=B * L).values())
    assert ours == forward
    assert FORWARD_AND_BACKWARD * ours == both


def test_attention_is_the_causal_half_of_what_pytorch_counts() -> None:
    _, square = counted(backward=False)
    assert attention_flops(SMALL, [L] * B) * 2 * L == square * (L + 1)


def test_logits_count_where_a_token_is_predicted_and_nowhere_else() -> None:
    fewer = sum(linear_flops(SMALL, 10, predicted=4).values())
    assert sum(linear_flops(SMALL, 10, predicted=5).values()) - fewer == 2 * 32 * 80


def test_decoding_step_by_step_needs_the_attention_of_the_whole() -> None:
    steps = [attention_flops(SMALL, [7])] + [attention_flops(SMALL, [n + 1], first=[n]) for n in range(7, 20)]
    assert sum(steps) == attention_flops(SMALL, [20])


def test_bytes_of_decoding_are_those_of_every_step() -> None:
    prompts, responses = [4, 9, 6], [5, 1, 8]
    per_token = 2 * SMALL.layers * SMALL.hidden * FLOAT32
    moved = 0
    for step in range(1, max(responses)):
        moved += SMALL.parameters * FLOAT32
        for S, T in zip(prompts, responses, strict=True):
            if step < T:
                moved += per_token * (S + step)  # S + step - 1 that are read, and one that is written
    assert decode_bytes(SMALL, prompts, responses) == moved


def test_a_prompt_is_read_once_for_its_group() -> None:
    alone = need_of(SMALL.replace(samples_per_prompt=1), [6], [4])
    group = need_of(SMALL.replace(samples_per_prompt=8), [6] * 8, [4] * 8)
    shared = sum(linear_flops(SMALL, 6, predicted=0).values())
    of = {name: sum(flops for *_, flops in need["decode_linear"]) for name, need in (("1", alone), ("8", group))}
    assert of["8"] == 8 * of["1"] - 7 * shared


@pytest.mark.parametrize(("name", "least", "most"), [("1M", 1.05e6, 1.07e6), ("5M", 4.8e6, 5.2e6), ("25M", 24e6, 26e6)])
def test_sizes_are_what_they_are_called(name: str, least: float, most: float) -> None:
    with torch.device("meta"):
        model = LlamaForCausalLM(architecture(SIZES[name]))
    assert model.num_parameters() == SIZES[name].parameters
    assert least < SIZES[name].parameters < most
    assert SIZES["1M"] == EMBEDDED
