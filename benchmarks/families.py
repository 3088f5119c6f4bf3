"""`python -m benchmarks.families [--to docs/evidence] [TYPE ...]`: do the sampler, micro-batches and plain forward
passes agree on a small random model of each causal family of transformers? Writes families.md.

Each family runs in a process of its own, with limits on time and memory. The verdict is that of `check_agreement`. It
is confirmed by other means: greedy responses to longer prompts, token by token against forward passes of each prefix.
So is `rollout=generate`, where the line names it as the way out.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from benchmarks.small import SWITCH, VARIANTS, WINDOW, build, small
from sspo_cli.build import sampler_of
from sspo_cli.config.errors import ConfigError
from sspo_cli.engine.agreement import check_agreement
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import to_microbatch
from sspo_cli.models.policy import Policy
from sspo_cli.rollout.probe import TOLERANCE
from tests.sampling import decoding_of, in_order, requests_of
from tests.steps import context_of, response_of, sampled_logp, trajectory

SECONDS, GIB = 240, 12
LARGE = 5_000_000  # weights: parts for images or sound cannot be made small, and variants are left out
PROMPT_LENGTHS, RESPONSE_LENGTH, SLOTS = (3, 17, 33, 12), 20, 3
WAY_OUT = " (generate)"  # behind a verdict: rollout=generate serves the model
SAME = 1e-4  # nats; a gap beyond it that the check's tolerance allows is shown


@torch.no_grad()
def gaps_by_prefixes(policy: Policy, kind: Literal["native", "generate"] = "native") -> tuple[float, float]:
    """The largest distances in nats of sampler and trainer from forward passes of each prefix alone, over greedy
    responses; by how much the sampler missed the likeliest token counts too."""
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(2, 258, (length,), generator=generator).tolist() for length in PROMPT_LENGTHS]
    budget = SLOTS * (max(PROMPT_LENGTHS) + RESPONSE_LENGTH + 1)
    requests = requests_of(prompts, decoding_of(policy, 0.0, RESPONSE_LENGTH))
    drawn = in_order(sampler_of(kind, policy, 0, budget).sample(iter(requests)))
    items = [trajectory(p, item.token_T, item.logp_T) for p, item in zip(prompts, drawn, strict=True)]
    trained_BT, _ = token_logprobs(policy, to_microbatch(items, 0, policy.device), 1.0)
    found, trained = [0.0], [0.0]
    for item, trained_T in zip(items, trained_BT, strict=True):
        context_S, response_T, logp_T = context_of(item), response_of(item), sampled_logp(item)
        for t, token in enumerate(response_T):
            prefix_1L = torch.tensor([context_S + response_T[:t]])
            logp_V = policy.model(input_ids=prefix_1L, use_cache=False).logits[0, -1].float().log_softmax(-1)
            found += [float((other - logp_V[token]).abs()) for other in (logp_V.max(), logp_T[t])]
            trained += [float((trained_T[t] - logp_V[token]).abs())]
    return max(found), max(trained)


def verdict(policy: Policy) -> tuple[str, str, str]:
    """What `check_agreement` says in a few words, its whole line, and what contradicts it."""
    longest = max(PROMPT_LENGTHS) + RESPONSE_LENGTH
    try:
        check_agreement(policy, longest, trained=True)
        half, said, line = "agrees", "agrees", ""
    except ConfigError as error:
        line = error.problems[0].split(": ", 2)[2]
        half = line.split()[0]
        said = f"{half} {line.split(' by ')[1].split()[0]}" if "differed" in line else f"{half} stopped"
    if "rollout=generate" in line:
        said += WAY_OUT
        if (gap := max(gaps_by_prefixes(policy, "generate"))) > TOLERANCE[policy.precision]:
            return said, line, f"{gap:.2g} nats by prefixes with rollout=generate"
    try:
        found, trained = gaps_by_prefixes(policy)
    except Exception as error:
        return said, line, f"stopped with {type(error).__name__}: {error}" if half == "agrees" else ""
    gap, tolerance = max(found, trained), TOLERANCE[policy.precision]
    right = {"agrees": gap <= tolerance, "sampling": found > SAME, "micro-batches": found <= tolerance < trained}
    if half == "agrees" and gap > SAME:
        said = f"agrees within {gap:.1g}"
    return said, line, "" if right[half] else f"{found:.2g} and {trained:.2g} nats by prefixes"


def measure(family: str, pipe: Connection) -> None:
    """Send what is found of each variant as soon as it is."""
    resource.setrlimit(resource.RLIMIT_AS, (GIB * 2**30, GIB * 2**30))
    warnings.simplefilter("ignore")
    rotary = 0
    for variant in VARIANTS:
        try:
            config = small(family, variant, rotary)
            policy = None if config is None else build(config)
        except Exception as error:
            pipe.send((variant, "not built", f"{type(error).__name__}: {error}", "", 0))
            if variant == VARIANTS[0]:
                return
            continue
        if policy is None:
            continue
        weights = sum(weight.numel() for weight in policy.model.parameters())
        pipe.send((variant, *verdict(policy), weights))
        if weights > LARGE:
            return
        buffers = [buffer for name, buffer in policy.model.named_buffers() if name.endswith("inv_freq")]
        rotary = buffers[-1].numel() if buffers else 0


def alone(family: str) -> dict[str, tuple[str, str, str, int]]:
    """`measure` in a process of its own: verdict, line, contradiction and weights of each variant."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=measure, args=(family, theirs), daemon=True)
    process.start()
    theirs.close()
    found: dict[str, tuple[str, str, str, int]] = {}
    ends = time.monotonic() + SECONDS
    try:
        while ours.poll(max(0.0, ends - time.monotonic())):
            variant, *rest = ours.recv()
            found[variant] = tuple(rest)
    except EOFError:
        pass
    process.kill()
    process.join()
    if not found:
        found[VARIANTS[0]] = ("not built", f"ended within {SECONDS} s and {GIB} GiB", "", 0)
    return found


def page(results: dict[str, dict[str, tuple[str, str, str, int]]], command: str, minutes: float) -> str:
    counts = {
        variant: Counter(found[variant][0].split()[0] for found in results.values() if variant in found)
        for variant in VARIANTS
    }
    served = {
        variant: sum(variant in found and found[variant][0].endswith(WAY_OUT) for found in results.values())
        for variant in VARIANTS
    }
    lines = [
        "# Families of causal models",
        "",
        "This page has one row for every type of `MODEL_FOR_CAUSAL_LM_MAPPING_NAMES` in transformers"
        f" {transformers.__version__}. Each was tried as a small model with random weights, of width 32 and with two"
        f" layers (more if the type has more kinds of layers). `{command}` wrote the page on {date.today()} in"
        f" {minutes:.0f} minutes.",
        "",
        "A family agrees if three computations give the same log-probabilities, within"
        f" {TOLERANCE[torch.float32]:g} nats: sampling with the cache of a run, micro-batches, and forward passes of"
        " single sequences (`sspo_cli/engine/agreement.py`). A model of another family is refused when it is loaded."
        " The table says which of the two differs from the forward passes, sampling or micro-batches, and by how many"
        " nats. A second test confirms each verdict: forward passes of every prefix of greedy responses to prompts of"
        f" {min(PROMPT_LENGTHS)} to {max(PROMPT_LENGTHS)} tokens. A gap above {SAME:g} nats is shown.",
        "",
        f"The other columns are variants of the configuration: sliding windows of {WINDOW} tokens, and rotary"
        f" frequencies that change at {SWITCH} tokens (`dynamic`, `longrope`). The sequences of the check are longer"
        " than that; such models can be used with shorter sequences.",
        "",
        f"The sampler is the default one (`rollout=native`). `{WAY_OUT.strip()}` behind a gap means that the model can"
        " be used with `rollout=generate`.",
        "",
        "| | agree | refused: sampling | served by `rollout=generate` | refused: micro-batches | not built |",
        "|---|---|---|---|---|---|",
        *(
            f"| {variant} | {counts[variant]['agrees']} | {counts[variant]['sampling']} | {served[variant]} |"
            f" {counts[variant]['micro-batches']} | {counts[variant]['not']} |"
            for variant in VARIANTS
        ),
        "",
        f"| type | weights | {' | '.join(VARIANTS)} | |",
        f"|---|---|{'---|' * (len(VARIANTS) + 1)}",
    ]
    for family, found in sorted(results.items()):
        cells = [found[variant][0] if variant in found else "" for variant in VARIANTS]
        why = found[VARIANTS[0]][1] if not cells[0].startswith("agrees") else ""
        why = " ".join(why.replace("|", "/").split())[:100] if "differed" not in why else ""
        lines.append(f"| {family} | {found[VARIANTS[0]][3]:,} | {' | '.join(cells)} | {why} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.families", description=(__doc__ or "")[:200])
    parser.add_argument("types", nargs="*", default=[], help="model types; all by default")
    parser.add_argument("--to", type=Path, help="folder of families.md")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    begun = time.monotonic()
    results, contradictions = {}, []
    names = options.types or list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
    with ThreadPoolExecutor(options.jobs) as pool:
        for family, found in zip(names, pool.map(alone, names), strict=True):
            results[family] = found
            for variant, (said, line, against, _) in found.items():
                print(f"{family:24} {variant:10} {said:22} {against and '!! ' + against} {line}"[:230], flush=True)
                contradictions += [f"{family} ({variant}): {said}, but {against}"] if against else []
    if options.to:
        command = " ".join(["python -m benchmarks.families", *sys.argv[1:]])
        (options.to / "families.md").write_text(page(results, command, (time.monotonic() - begun) / 60))
    print("\n".join(["", *contradictions]))
    return int(bool(contradictions))


if __name__ == "__main__":
    sys.exit(main())
