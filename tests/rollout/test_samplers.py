"""What every sampler keeps to, whatever it does inside."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch

from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import Sampler
from sspo_cli.rollout.cache import SlotCache
from sspo_cli.rollout.generate import GenerateSampler
from sspo_cli.rollout.native import NativeSampler
from sspo_cli.types import Completion, Decoding, Request
from tests.engine.test_memory import unreachable_tensors
from tests.sampling import decoding_of, in_order, requests_of
from tests.tiny_models import random_policy

PROMPTS = [[12, 25, 30], [40, 41, 42, 43, 44, 45, 46], [99], [7, 8, 9, 10, 11]]
ROW = 7 + 16 + 1

Make = Callable[[Policy, int, int], Sampler]
pytestmark = pytest.mark.parametrize("make", [NativeSampler, GenerateSampler])


@pytest.fixture
def policy() -> Policy:
    """Its responses are of many lengths."""
    return random_policy(spread=0.1)


def requests(policy: Policy, samples: int = 6) -> list[Request]:
    decoding = Decoding(1.0, 16, tuple(range(1, 258, 20)))
    return requests_of(PROMPTS, decoding, samples)


def responses(completions: Iterator[Completion]) -> list[list[int]]:
    return [item.token_T for item in in_order(completions)]


def test_neither_the_order_of_requests_nor_the_memory_changes_a_sample(make: Make, policy: Policy) -> None:
    asked = requests(policy)
    expected = responses(make(policy, 0, 10_000).sample(iter(asked)))
    assert len({len(item) for item in expected}) > 3
    shuffled = [asked[place] for place in torch.randperm(len(asked), generator=torch.Generator().manual_seed(0))]
    for order in (shuffled, asked[::-1]):
        for tokens in (1, 3 * ROW, 10_000):
            assert responses(make(policy, 0, tokens).sample(iter(order))) == expected


def test_requests_are_taken_as_room_comes_and_completions_leave_at_once(make: Make, policy: Policy) -> None:
    """No more than fit, and one that waits; a slow source does not change what is drawn."""
    asked, taken = requests(policy, samples=10), 0

    def source() -> Iterator[Request]:
        nonlocal taken
        for request in asked:
            taken += 1
            yield request

    done: list[Completion] = []
    for completion in make(policy, 0, 5 * ROW).sample(source()):
        done.append(completion)
        assert taken <= len(done) + 7 + 5, "rows of the shortest prompts, and completions that leave together"
        if len(done) == 1:
            assert taken < len(asked)
    assert responses(iter(done)) == responses(make(policy, 0, 10_000).sample(iter(asked)))
    assert taken == len(asked) == len({item.key for item in done})


def test_a_source_may_end_and_the_sampler_is_asked_again(make: Make, policy: Policy) -> None:
    sampler, asked = make(policy, 0, 5 * ROW), requests(policy)
    assert list(sampler.sample(iter([]))) == []
    apart = [item for start in range(0, len(asked), 5) for item in sampler.sample(iter(asked[start : start + 5]))]
    assert responses(iter(apart)) == responses(sampler.sample(iter(asked)))


def test_decodings_may_differ_within_one_call(make: Make, policy: Policy) -> None:
    decodings = [
        Decoding(1.0, 16, (1,)),
        Decoding(0.0, 5, (1,)),
        Decoding(0.5, 9, ()),
        Decoding(1.0, 16, tuple(range(2, 258, 9))),
    ]
    asked = [replace(request, decoding=decodings[i // 2 % 4]) for i, request in enumerate(requests(policy))]
    together = in_order(make(policy, 0, 3 * ROW).sample(iter(asked)))
    for request, found in zip(asked, together, strict=True):
        (alone,) = make(policy, 0, 10_000).sample(iter([request]))
        assert (found.token_T, found.finish) == (alone.token_T, alone.finish)
        assert len(found.token_T) == request.decoding.max_tokens or found.finish == "stop"
        stops = [token in request.decoding.stop_ids for token in found.token_T]
        assert not any(stops[:-1]) and stops[-1] == (found.finish == "stop") == (not found.truncated)


def test_modes_do_not_hold_while_others_run(make: Make, policy: Policy) -> None:
    """Neither for who gives requests nor for who takes completions."""
    half = replace(policy, precision=torch.bfloat16)
    seen: list[tuple[bool, bool, bool]] = []

    def look() -> None:
        grad = torch.is_grad_enabled()
        seen.append((grad, torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")))

    def source() -> Iterator[Request]:
        for request in requests(policy, samples=2):
            look()
            yield request

    scale = torch.ones((), requires_grad=True)
    for completion in make(half, 0, 3 * ROW).sample(source()):
        look()
        (scale * completion.logp_T).sum().backward()  # type: ignore[no-untyped-call]
        assert completion.logp_T.dtype == torch.float32
    assert len(seen) == 16 and set(seen) == {(True, False, False)}


def test_a_source_that_raises_is_heard_and_leaves_nothing(make: Make, policy: Policy) -> None:
    def source() -> Iterator[Request]:
        yield from requests(policy)[:9]
        raise ValueError("no more problems")

    sampler, done = make(policy, 0, 3 * ROW), []
    with pytest.raises(ValueError, match="no more problems"):
        done += [item.key for item in sampler.sample(source())]
    assert not torch.is_inference_mode_enabled()
    assert len(responses(sampler.sample(iter(requests(policy))))) == 24


def test_a_closed_generator_frees_its_memory(make: Make, policy: Policy) -> None:
    asked = requests(policy)
    with unreachable_tensors() as found:
        completions = make(policy, 0, 5 * ROW).sample(iter(asked))
        held = [next(completions), next(completions)]
        completions.close()  # type: ignore[attr-defined]
        assert not any(type(item) is SlotCache for item in gc.get_objects())
    assert [tuple(tensor.shape) for tensor in found] == []
    assert all(len(item.logp_T) == len(item.token_T) == item.logp_T.untyped_storage().nbytes() // 4 for item in held)


def test_completions_tell_the_version_of_the_weights(make: Make, policy: Policy) -> None:
    sampler = make(policy, 0, 10_000)
    asked = requests_of(PROMPTS, decoding_of(policy, 0.0, 8))
    assert {item.version for item in sampler.sample(iter(asked))} == {0}
    other = random_policy(seed=1, spread=0.1)
    sampler.sync(other, 7)
    after = in_order(sampler.sample(iter(asked)))
    assert {item.version for item in after} == {7}
    assert [item.token_T for item in after] == responses(make(other, 0, 10_000).sample(iter(asked)))
    sampler.close()
