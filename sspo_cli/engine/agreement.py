"""Whether the sampler, the trainer and the model's plain forward pass give the same log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sspo_cli.build import sampler_of
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.schema import SamplerKind, TrainConfig
from sspo_cli.engine.device import microbatch_tokens
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import to_microbatch
from sspo_cli.guards import is_out_of_memory
from sspo_cli.models.head import at_least_float32
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.base import Sampler
from sspo_cli.rollout.probe import TOLERANCE, plain_tokens
from sspo_cli.types import Decoding, Key, Request, Trajectory, single_turn

Make = Callable[[int], Sampler]  # from tokens of key/value cache to a sampler that may hold so many

# The probe: few short samples that pass through fewer slots, so that rows enter beside others and leave before them.
PROMPT_LENGTHS = (1, 2, 5, 9)
SAMPLES, RESPONSE_LENGTH, SLOTS = 2, 6, 3
OFTEN, HARDLY_EVER = 5, 2**31  # one token in so many ends a response of the probe
BEFORE_A_SWITCH = RESPONSE_LENGTH // 2

# Frequencies of these do not depend on how long a sequence is.
STEADY_ROPE = ("default", "linear", "yarn", "llama3", "proportional")
TOKENS_SCORED = 1024  # of a rollout, in one micro-batch
# The sampler to try where one disagrees, and how to name it.
OTHERS: Mapping[SamplerKind, tuple[SamplerKind, str]] = {
    "native": ("generate", "set rollout=generate, which is slower"),
    "vllm": ("native", "set rollout=native"),
}
LIKELY_CAUSE = (
    "the model computes something else with its cache than without, or in a batch than alone (positions scaled by the"
    " longest row, a state outside the cache)"
)


@dataclass(frozen=True)
class Gap:
    """Distance between two log-probabilities of the same tokens, in nats: mean and maximum."""

    mean: float
    max: float


class Disagreement(Exception):
    """`half`, which is "sampling" or "micro-batches", stopped or differs, as `how` says. held: tokens of sequences for
    which it is known to hold; 0 if none are."""

    def __init__(self, half: str, how: str, held: int) -> None:
        super().__init__(how)
        self.half = half
        self.how = how
        self.held = held


def check_agreement(
    policy: Policy, longest: int, kind: SamplerKind = "native", *, trained: bool, sampler: Sampler | None = None
) -> None:
    """Compare sampling, and micro-batches if the policy is trained, with plain forward passes of single sequences.

    longest: tokens of the longest prompt with its response, which is tried beside a short one. Where the model computes
    something else beyond some length (a sliding window, rotary frequencies that change), and `longest` exceeds it,
    both sides of it are tried. kind: of the sampler. sampler: that of the run, which is tried itself where kind is
    vllm; others are made anew, with less memory.

    Raises:
        ConfigError: naming the model's type, which of the two halves fails, and by how much.
    """
    try:
        compare(policy, longest, maker(policy, kind, sampler), trained=trained)
    except Disagreement as found:
        if broken := [name for name, weight in policy.model.named_parameters() if not is_finite(weight)]:
            raise ConfigError(
                [f"model: {len(broken)} of its weights hold NaN or infinity, the first is {broken[0]}; use another one"]
            ) from found
        ways = [f"keep each prompt with its response within {found.held} tokens"] if found.held else []
        other, words = OTHERS.get(kind, (None, ""))
        if found.half == "sampling" and other and agrees(policy, longest, other, trained=trained):
            ways.append(words)
        model_type = policy.model.config.get_text_config().model_type
        how = " ".join(found.how.split())
        way_out = ", or ".join(ways) or "use a model of another type"
        raise ConfigError([f"model: of type {model_type}: {found.half} {how}; {way_out}"]) from found


def maker(policy: Policy, kind: SamplerKind, sampler: Sampler | None) -> Make:
    if kind == "vllm":
        assert sampler is not None
        return lambda tokens: sampler
    return lambda tokens: sampler_of(kind, policy, seed=0, tokens_in_flight=tokens)


def is_finite(weight: Tensor) -> bool:
    return not weight.is_floating_point() or bool(weight.isfinite().all())


def agrees(policy: Policy, longest: int, kind: SamplerKind, *, trained: bool) -> bool:
    try:
        compare(policy, longest, maker(policy, kind, None), trained=trained)
    except Disagreement:
        return False
    return True


def compare(policy: Policy, longest: int, make: Make, *, trained: bool) -> None:
    """`check_agreement`, raising a Disagreement."""
    check = partial(compare_lengths, policy, make, trained=trained)
    longest_prompt = max(1, longest - RESPONSE_LENGTH)
    check([min(length, longest_prompt) for length in PROMPT_LENGTHS], OFTEN, 0)
    held = max(PROMPT_LENGTHS) + RESPONSE_LENGTH
    for switch in switches(policy.model.config.get_text_config()):
        if BEFORE_A_SWITCH < switch < longest:
            check([1, switch - BEFORE_A_SWITCH], HARDLY_EVER, switch)
            held = max(held, switch)
    if longest > held:
        check([1, longest_prompt], HARDLY_EVER, held)


def compare_lengths(
    policy: Policy, make: Make, lengths: Sequence[int], stop_every: int, held: int, *, trained: bool
) -> None:
    """`compare` on prompts of these lengths; the model is known to hold for sequences of `held` tokens."""
    with disagreeing("sampling", held):
        drawn = drawn_by_the_sampler(policy, make, lengths, stop_every)
        alone = [plain_logprobs(policy, item) for item in drawn]
    check_gap(policy, "sampling", gap_of([sampled_logp(item) for item in drawn], alone), held)
    if not trained:
        return
    with disagreeing("micro-batches", held), torch.no_grad():
        together_BT, _ = token_logprobs(policy, to_microbatch(drawn, policy.pad_id, policy.device), 1.0)
    rows = [row[: item.trained] for row, item in zip(together_BT, drawn, strict=True)]
    check_gap(policy, "micro-batches", gap_of(rows, alone), held)


@contextmanager
def disagreeing(half: str, held: int) -> Iterator[None]:
    """Whatever is raised inside the block, but for a lack of memory, is a Disagreement."""
    try:
        yield
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise Disagreement(half, f"stopped with {type(error).__name__}: {error}", held) from error


def check_gap(policy: Policy, half: str, gap: Gap, held: int) -> None:
    tolerance = TOLERANCE[policy.precision]
    if not gap.max <= tolerance:
        precision = str(policy.precision).removeprefix("torch.")
        how = (
            f"differed from a plain forward pass by {gap.max:.2g} nats of log-probability, more than {tolerance:g} in"
            f" {precision}"
        )
        raise Disagreement(half, how, held)


def drawn_by_the_sampler(policy: Policy, make: Make, lengths: Sequence[int], stop_every: int) -> list[Trajectory]:
    """Responses to random prompts of `lengths` tokens, drawn as in a run."""
    generator = torch.Generator().manual_seed(0)
    plain = plain_tokens(policy)
    prompts = [[plain[i] for i in torch.randint(len(plain), (length,), generator=generator)] for length in lengths]
    decoding = Decoding(1.0, RESPONSE_LENGTH, tuple(plain[::stop_every]))
    sampler = make(SLOTS * (max(lengths) + 2 * RESPONSE_LENGTH))
    requests = [
        Request(Key("eval", 0, p, k), prompt, decoding) for p, prompt in enumerate(prompts) for k in range(SAMPLES)
    ]
    drawn = sorted(sampler.sample(iter(requests)), key=lambda item: item.key)
    return [single_turn(item.key, prompts[item.key.problem], item.token_T, item.logp_T) for item in drawn]


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


def switches(config: Any) -> list[int]:
    """Lengths in tokens beyond which the model may compute something else."""
    found = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    for rope in ropes(getattr(config, "rope_parameters", None) or {}):
        if rope.get("rope_type", "default") not in STEADY_ROPE:
            found.append(rope.get("original_max_position_embeddings"))
            found.append(getattr(config, "original_max_position_embeddings", None))
            found.append(config.max_position_embeddings)
    return sorted({length for length in found if isinstance(length, int)})


def ropes(parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The rotary settings of a model, or of each type of its layers."""
    if "rope_type" in parameters:
        yield parameters
    else:
        yield from (inner for inner in parameters.values() if isinstance(inner, Mapping))


@torch.no_grad()
def sampled_gap(policy: Policy, trajectories: Sequence[Trajectory], config: TrainConfig) -> Gap:
    """Between the log-probabilities that the sampler recorded and those of the trainer now, in one micro-batch of
    responses of all lengths."""
    ordered = sorted(trajectories, key=lambda item: item.tokens)
    budget = min(TOKENS_SCORED, microbatch_tokens(config.engine, policy.device))
    count = min(len(ordered), max(1, budget // ordered[-1].tokens))
    chosen = [ordered[-1 - place * len(ordered) // count] for place in range(count)]
    microbatch = to_microbatch(chosen, policy.pad_id, policy.device)
    logp_BT, _ = token_logprobs(policy, microbatch, config.rollout.temperature)
    return gap_of(
        [sampled_logp(item) for item in chosen],
        [row[: item.trained] for row, item in zip(logp_BT, chosen, strict=True)],
    )
