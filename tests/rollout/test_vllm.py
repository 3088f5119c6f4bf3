"""vLLM as a sampler: the tokens and log-probabilities of the trainer's model, by whatever weights it has now."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sspo_cli.build import train_config
from sspo_cli.engine.session import GUARDED, Session
from sspo_cli.guards import SamplerLost
from sspo_cli.models.policy import Policy
from sspo_cli.rollout import vllm_process
from sspo_cli.rollout.generate import GenerateSampler
from sspo_cli.rollout.stops import Watch
from sspo_cli.rollout.vllm import VllmSampler
from sspo_cli.types import Completion, Decoding, Request
from tests.sampling import decoding_of, in_order, requests_of
from tests.tiny_models import SHAPE, config_of, policy_of
from tests.vllm_env import PYTHON, moved, tiny

pytestmark = pytest.mark.vllm

LONGEST = 120
CLOSE = 1e-5  # nats


@pytest.fixture(scope="module")
def sampler() -> Iterator[VllmSampler]:
    """One process for tests that leave its weights as they find them."""
    made = VllmSampler(tiny(), 0, 8192, PYTHON, LONGEST)
    yield made
    made.close()


def prompts(policy: Policy, count: int = 8) -> list[list[int]]:
    return [list(policy.tokenizer(f"{number}+{3 * number}=")["input_ids"]) for number in range(7, 7 + count)]


def asked(sampler: VllmSampler, temperature: float, samples: int) -> list[Request]:
    policy = sampler.policy
    return requests_of(prompts(policy), decoding_of(policy, temperature, 32), samples)


@torch.no_grad()
def gap(policy: Policy, requests: Sequence[Request], found: Sequence[Completion]) -> float:
    """The largest distance from the log-probabilities of plain forward passes in float64, in nats."""
    model, largest = deepcopy(policy.model).double(), 0.0
    for request, completion in zip(requests, found, strict=True):
        assert request.key == completion.key and len(completion.logp_T) == len(completion.token_T)
        token_1L = torch.tensor([request.context_S + completion.token_T])
        logits_TV = model(token_1L).logits[0, len(request.context_S) - 1 : -1]
        if policy.no_text_V is not None:
            logits_TV = logits_TV + policy.no_text_V
        logp_TV = (logits_TV / (request.decoding.temperature or 1.0)).log_softmax(-1)
        logp_T = logp_TV.gather(1, torch.tensor(completion.token_T)[:, None]).squeeze(1)
        largest = max(largest, float((logp_T - completion.logp_T).abs().max()))
    return largest


def test_greedy_responses_are_those_of_transformers(sampler: VllmSampler) -> None:
    requests = asked(sampler, 0.0, 1)
    found = in_order(sampler.sample(iter(requests)))
    expected = in_order(GenerateSampler(sampler.policy, 0, 10_000).sample(iter(requests)))
    assert [item.token_T for item in found] == [item.token_T for item in expected]
    assert [item.finish for item in found] == [item.finish for item in expected]
    assert gap(sampler.policy, requests, found) < CLOSE


@pytest.mark.parametrize("temperature", [1.0, 1.5])
def test_log_probabilities_are_those_of_the_model_at_the_temperature(sampler: VllmSampler, temperature: float) -> None:
    requests = asked(sampler, temperature, 4)
    found = in_order(sampler.sample(iter(requests)))
    assert gap(sampler.policy, requests, found) < CLOSE
    assert {item.version for item in found} == {0} and found[0].logp_T.dtype == torch.float32


def test_a_sample_depends_on_its_key_alone(sampler: VllmSampler) -> None:
    requests = asked(sampler, 1.0, 4)
    expected = [item.token_T for item in in_order(sampler.sample(iter(requests)))]
    assert len(set(map(tuple, expected))) > len(expected) // 2
    shuffled = random.Random(0).sample(requests, len(requests))
    apart = [item for start in range(0, len(requests), 7) for item in sampler.sample(iter(shuffled[start : start + 7]))]
    assert [item.token_T for item in in_order(apart)] == expected


def test_tokens_are_drawn_as_often_as_the_model_says(sampler: VllmSampler) -> None:
    """The first token of 3000 samples, by a chi-squared statistic over the tokens that are expected five times."""
    policy, context_S = sampler.policy, prompts(sampler.policy, 1)[0]
    count = 3000
    found = sampler.sample(iter(requests_of([context_S], Decoding(1.5, 1, ()), count)))
    drawn_V = torch.zeros(policy.rows, dtype=torch.float64)
    for item in found:
        drawn_V[item.token_T[0]] += 1
    with torch.no_grad():
        expected_V = count * (policy.model(torch.tensor([context_S])).logits[0, -1].double() / 1.5).softmax(-1)
    often = expected_V >= 5
    drawn_N = torch.cat([drawn_V[often], drawn_V[~often].sum()[None]])
    expected_N = torch.cat([expected_V[often], expected_V[~often].sum()[None]])
    statistic, freedom = float(((drawn_N - expected_N) ** 2 / expected_N).sum()), len(drawn_N) - 1
    assert freedom >= 5 and statistic < freedom + 5 * (2 * freedom) ** 0.5


def test_decodings_differ_within_one_call_and_responses_end_where_they_say(sampler: VllmSampler) -> None:
    """A string ends a response with the token that completes it, and changes no token before."""
    eos = sampler.policy.stop_ids[0]
    decodings = [
        Decoding(1.0, 40, (eos,)),
        Decoding(0.0, 5, ()),
        Decoding(0.8, 40, tuple(range(5, 258, 9))),
        Decoding(1.0, 40, (eos,), ("+", ">")),
    ]
    requests = asked(sampler, 1.0, 8)
    plain = in_order(sampler.sample(iter([replace(item, decoding=decodings[0]) for item in requests])))
    mixed = [replace(item, decoding=decodings[place % 4]) for place, item in enumerate(requests)]
    found = in_order(sampler.sample(iter(mixed)))
    assert gap(sampler.policy, mixed, found) < 10 * CLOSE
    ends = 0
    for request, completion, whole in zip(mixed, found, plain, strict=True):
        decoding, token_T = request.decoding, completion.token_T
        assert len(token_T) == decoding.max_tokens or completion.finish == "stop"
        assert not any(token in decoding.stop_ids for token in token_T[:-1])
        if decoding.stop:
            watch = Watch(sampler.policy.tokenizer, decoding.stop)
            watch.read(whole.token_T)
            ends += watch.length is not None
            assert token_T == whole.token_T[: watch.length]
        elif decoding == decodings[0]:
            assert token_T == whole.token_T
    assert ends > 5


def test_requests_are_taken_as_room_comes_and_a_closed_generator_leaves_nothing(sampler: VllmSampler) -> None:
    requests, taken = asked(sampler, 1.0, 40), 0
    assert len(requests) > sampler.rows

    def source() -> Iterator[Request]:
        nonlocal taken
        for request in requests:
            taken += 1
            yield request

    completions = sampler.sample(source())
    first = next(completions)
    assert taken == sampler.rows
    completions.close()  # type: ignore[attr-defined]
    again = asked(sampler, 1.0, 1)
    found = in_order(sampler.sample(iter(again)))
    assert [item.key for item in found] == [item.key for item in again] and first.token_T


def test_weights_arrive_after_each_of_three_updates_and_completions_tell_them(sampler: VllmSampler) -> None:
    before = sampler.policy
    policy = tiny()
    for version in (1, 2, 3):
        moved(policy, seed=version)
        sampler.sync(policy, version)
        requests = asked(sampler, 0.0, 1)
        found = in_order(sampler.sample(iter(requests)))
        expected = in_order(GenerateSampler(policy, 0, 10_000).sample(iter(requests)))
        assert [item.token_T for item in found] == [item.token_T for item in expected]
        assert gap(policy, requests, found) < CLOSE and {item.version for item in found} == {version}
    assert not list((sampler.process.folder / "model").glob("*.safetensors"))
    assert not (sampler.process.folder / "weights").exists()
    sampler.sync(before, 0)


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """vLLM as it is: an output layer that shares its weights keeps its old copy of them."""
    mended = vllm_process.WORKER.read_text()
    broken = mended.replace('if device != "cpu":', "if device:")
    assert broken != mended
    (tmp_path / "vllm_worker.py").write_text(broken)
    monkeypatch.setattr(vllm_process, "WORKER", tmp_path / "vllm_worker.py")


@pytest.mark.usefixtures("stale")
def test_a_stale_output_layer_stops_the_run_with_both_numbers(tmp_path: Path) -> None:
    words = ["rollout=vllm", f"rollout.python={PYTHON}", "preset=smoke", "train.steps=4", "optim.lr=1e-2"]
    with Session(train_config(*words), folder=tmp_path / "run") as session:
        assert session.train().code == GUARDED
    status = (tmp_path / "run" / "STATUS").read_text()
    told = r"vLLM .* weights of step 1: .* log-probability (-[\d.]+), the trainer (-[\d.]+); ([\d.]+) nats"
    found = re.search(told, status)
    assert found is not None
    sampled, trained, apart = map(float, found.groups())
    assert abs(sampled - trained) > apart > 1e-3


def test_ids_without_a_token_are_never_drawn() -> None:
    """Of 300 ids the tokenizer knows 258; the others would be drawn often."""
    policy = policy_of(config_of("llama", **{**SHAPE, "vocab_size": 300, "head_dim": 32}), spread=0.15)
    assert policy.no_text_V is not None
    requests = requests_of([[12, 25, 30], [40, 41]], Decoding(1.0, 30, (1,)), samples=20)
    sampler = VllmSampler(policy, 0, 8192, PYTHON, LONGEST)
    try:
        found = in_order(sampler.sample(iter(requests)))
    finally:
        sampler.close()
    assert max(token for item in found for token in item.token_T) < 258
    assert gap(policy, requests, found) < CLOSE
    assert not sampler.process.folder.exists() and sampler.process.process.returncode == 0


def test_what_vllm_cannot_serve_is_said_and_ends_the_process() -> None:
    policy = policy_of(config_of("llama", **SHAPE))
    sampler = VllmSampler(policy, 0, 8192, PYTHON, LONGEST)
    requests = requests_of([[12, 25, 30]], Decoding(1.0, 3, (1,)))
    with pytest.raises(SamplerLost, match=r"^vLLM failed: \w+: .*head_dim=8"):
        list(sampler.sample(iter(requests)))
    assert sampler.process.process.returncode is not None and not sampler.process.folder.exists()
