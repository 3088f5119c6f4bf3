"""The gradients of several objectives on identical rollouts, before and after the policy has moved away from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sspo_cli.build import build_objective
from sspo_cli.config.schema import TrainConfig
from sspo_cli.engine.checkpoint import Progress, restore
from sspo_cli.engine.credit import compute_advantages, with_logprobs
from sspo_cli.engine.device import microbatch_tokens
from sspo_cli.engine.logprobs import token_logprobs
from sspo_cli.engine.microbatch import cut, to_microbatch
from sspo_cli.engine.optimizer import learning_rate
from sspo_cli.engine.parts import TrainParts
from sspo_cli.engine.update import Updater, join, make_updater, minibatches
from sspo_cli.engine.world import OneProcess
from sspo_cli.objectives.batch import Counts, PolicyBatch
from sspo_cli.objectives.diagnostics import quantiles
from sspo_cli.objectives.objective import Objective
from sspo_cli.objectives.ratio import token_log_ratio
from sspo_cli.rollout.collect import Group, decoding_of, metrics_of, problems_from, tokens_of
from sspo_cli.types import Trajectory

SILENCED_BELOW = 0.01
HISTOGRAM_BINS = 40
SMALLEST_WEIGHT = 1e-6

Tell = Callable[[str, int, int], None]


@dataclass
class Specimen:
    """One objective with its own view of the rollouts: the same responses, its advantages and log-probabilities.

    total and squared_norms keep what is needed of its gradients, one per batch: their sum by parameter, and the square
    of each one's norm. seen: what the objective read, a batch each.
    """

    objective: Objective
    trajectories: list[Trajectory]
    total: list[Tensor] = field(default_factory=list)
    squared_norms: list[float] = field(default_factory=list)
    seen: list[PolicyBatch] = field(default_factory=list)


def inspect(
    parts: TrainParts,
    config: TrainConfig,
    configs: Mapping[str, TrainConfig],
    checkpoint: Path | None,
    *,
    rollouts: int,
    updates: int,
    tell: Tell,
) -> dict[str, Any]:
    """Measure the objectives of `configs` on the same rollouts, at r = 1 and after `updates` updates on another one.

    The rollouts are those that training under `config` draws next from where `checkpoint`, or the model, stands. The
    policy moves by the objective of `config` on the rollout after them: no batch is measured that it has learned from.

    Returns:
        "on_policy" and "off_policy", as `measure` describes them, and what they were measured on.
    """
    updater = make_updater(parts.policy, parts.objective, config, OneProcess())
    begun = restore(checkpoint, updater.optimizer)[0] if checkpoint else Progress()
    P, step = config.batch.prompts, begun.step + 1

    def drawn(r: int) -> list[Group]:
        phase = f"rollout {r + 1} of {rollouts + 1}"
        return parts.collector(config, OneProcess()).collect(
            "train",
            step + r,
            problems_from(parts.dataset, begun.prompts + r * P, P),
            config.batch.samples_per_prompt,
            decoding_of(
                parts.policy, config.rollout.temperature, config.rollout.max_response_length, config.rollout.stop
            ),
            lambda done, total: tell(phase, done, total),
        )

    measured, learned_from = [drawn(r) for r in range(rollouts)], drawn(rollouts)
    batches = [
        [r * config.responses_per_rollout + place for place in places]
        for r in range(rollouts)
        for places in minibatches(config, step + r)[: config.batch.minibatches]
    ]
    views = {name: trajectories_of(measured, parts, objective) for name, objective in configs.items()}

    def look(phase: str) -> dict[str, Any]:
        specimens = {name: Specimen(build_objective(configs[name].objective), view) for name, view in views.items()}
        return measure(specimens, parts, config, batches, lambda done, total: tell(phase, done, total))

    on_policy = look("gradients at r = 1")
    move(parts, config, updater, trajectories_of([learned_from], parts, config), step, updates, tell)
    return {
        "step": begun.step,
        "responses": sum(len(places) for places in batches),
        "tokens": sum(tokens_of(groups) for groups in measured),
        "reward": metrics_of([group for groups in measured for group in groups])["reward/mean"],
        "batches": len(batches),
        "updates": updates,
        "on_policy": on_policy,
        "off_policy": look("gradients off-policy"),
    }


def trajectories_of(rollouts: Sequence[Sequence[Group]], parts: TrainParts, config: TrainConfig) -> list[Trajectory]:
    """The responses of `rollouts`, in order, as the objective of `config` sees them."""
    learned = [compute_advantages(groups, parts.reference, config)[0] for groups in rollouts]
    return with_logprobs(
        [item for rollout in learned for item in rollout], parts.policy, parts.reference, config, OneProcess()
    )


def move(
    parts: TrainParts,
    config: TrainConfig,
    updater: Updater,
    trajectories: Sequence[Trajectory],
    step: int,
    updates: int,
    tell: Tell,
) -> None:
    """`updates` updates of the policy on one rollout, as many times over as it takes."""
    before, in_all = (step - 1) * config.updates_per_rollout, config.train.steps * config.updates_per_rollout
    for number, places in enumerate(islice(cycle(minibatches(config, step)), updates)):
        updater.update([trajectories[i] for i in places], learning_rate(config.optim, before + number, in_all))
        tell("moving the policy", number + 1, updates)


def measure(
    specimens: Mapping[str, Specimen],
    parts: TrainParts,
    config: TrainConfig,
    batches: Sequence[Sequence[int]],
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Every objective's gradient on each of `batches`, given as places in the rollouts, compared.

    Returns:
        cosine and norm_ratio of the mean gradients, [objectives, objectives], row over column; by objective what
        `describe` says; the spread of the token ratio.
    """
    parameters = [parameter for parameter in parts.policy.model.parameters() if parameter.requires_grad]
    for number, places in enumerate(batches):
        add_batch(specimens, parameters, parts, config, places)
        progress(number + 1, len(batches))
    gram = inner_products([specimen.total for specimen in specimens.values()]) / len(batches) ** 2
    norm = gram.diagonal().sqrt()
    seen = join(next(iter(specimens.values())).seen)
    return {
        "cosine": (gram / (norm[:, None] * norm[None, :])).tolist(),
        "norm_ratio": (norm[:, None] / norm[None, :]).tolist(),
        "objectives": {
            name: describe(specimen, float(gram[o, o])) for o, (name, specimen) in enumerate(specimens.items())
        },
        "ratio": spread(torch.exp(token_log_ratio(seen))[seen.mask_BT]),
    }


def add_batch(
    specimens: Mapping[str, Specimen],
    parameters: Sequence[Tensor],
    parts: TrainParts,
    config: TrainConfig,
    places: Sequence[int],
) -> None:
    """One batch: a forward pass, and from it a backward pass for every objective."""
    policy = parts.policy
    responses = [next(iter(specimens.values())).trajectories[i] for i in places]
    tokens = sum(item.trained for item in responses)
    counts = Counts(len(responses), tokens, config.rollout.max_response_length)
    entropy_gradient = any(specimen.objective.entropy_coef for specimen in specimens.values())
    gradients = {name: [torch.zeros_like(parameter) for parameter in parameters] for name in specimens}
    seen: dict[str, list[PolicyBatch]] = {name: [] for name in specimens}
    for group in cut([item.tokens for item in responses], microbatch_tokens(config.engine, policy.device)):
        microbatch = to_microbatch([responses[i] for i in group], policy.pad_id, policy.device)
        logp_BT, entropy_BT = token_logprobs(
            policy, microbatch, config.rollout.temperature, entropy_gradient=entropy_gradient
        )
        for name, specimen in specimens.items():
            own = to_microbatch([specimen.trajectories[places[i]] for i in group], policy.pad_id, policy.device)
            batch = PolicyBatch(
                logp_BT=logp_BT, advantage_B=own.advantage_B, mask_BT=own.mask_BT, entropy_BT=entropy_BT, **own.logps
            )
            loss = specimen.objective(batch, counts).loss
            shares = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            for whole, share in zip(gradients[name], shares, strict=True):
                if share is not None:
                    whole += share
            seen[name].append(batch.detach())
    for name, specimen in specimens.items():
        specimen.squared_norms.append(sum(float(part.double().square().sum()) for part in gradients[name]))
        specimen.seen.append(join(seen[name]))
        so_far = specimen.total or [torch.zeros_like(part) for part in gradients[name]]
        specimen.total = [whole + part for whole, part in zip(so_far, gradients[name], strict=True)]


def inner_products(gradients: Sequence[Sequence[Tensor]]) -> Tensor:
    """Of every pair of gradients, in double precision, one parameter at a time to save memory."""
    gram = torch.zeros(len(gradients), len(gradients), dtype=torch.float64)
    for same_parameter in zip(*gradients, strict=True):
        stacked = torch.stack([part.double().flatten() for part in same_parameter])
        gram += (stacked @ stacked.T).cpu()
    return gram


def describe(specimen: Specimen, squared_norm: float) -> dict[str, Any]:
    """Of one objective: norm of its mean gradient; snr, the squared norm of the expected gradient over the variance of
    one batch's, both estimated without bias; effective_ratio, the mean token multiplier; silenced, the share of tokens
    with an advantage whose multiplier is below 0.01 of on-policy; weight, the spread of the sequence weights.
    """
    objective, batch = specimen.objective, join(specimen.seen)
    count = len(specimen.squared_norms)
    # Summed over parameters. The mean's square holds a share of it; what is left without that share is signal.
    variance = (sum(specimen.squared_norms) - count * squared_norm) / (count - 1) if count > 1 else 0.0
    signal = squared_norm - variance / count
    with torch.no_grad():
        weight_B = objective.weight(token_log_ratio(batch), batch)
    multiplier_BT = objective.token_multiplier(batch)
    taught_BT = batch.mask_BT & (batch.advantage_B != 0)[:, None]
    return {
        "norm": squared_norm**0.5,
        "snr": signal / variance if variance > 0 else None,
        "effective_ratio": float(multiplier_BT[batch.mask_BT].mean()),
        "silenced": float((multiplier_BT[taught_BT].abs() < SILENCED_BELOW).float().mean()),
        "weight": spread(weight_B),
    }


def spread(value_n: Tensor) -> dict[str, Any]:
    """Mean, deviation, quantiles of positive values; a histogram from low to high in equal steps of the logarithm."""
    value_n = value_n.double().cpu()
    log_n = value_n.clamp(min=SMALLEST_WEIGHT).log()
    low, high = float(log_n.min()), float(log_n.max())
    if high - low < SMALLEST_WEIGHT:
        low, high = low - SMALLEST_WEIGHT, high + SMALLEST_WEIGHT
    return {
        "mean": float(value_n.mean()),
        "std": float(value_n.std(correction=0)),
        **{name.partition("/")[2]: float(value) for name, value in quantiles("", value_n).items()},
        "low": math.exp(low),
        "high": math.exp(high),
        "counts": torch.histc(log_n, HISTOGRAM_BINS, low, high).int().tolist(),
    }
