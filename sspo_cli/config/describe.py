"""What a configuration means, in words."""

from __future__ import annotations

from sspo_cli.config.schema import TrainConfig


def batch_sentence(config: TrainConfig) -> str:
    """What one step is, in the words of the batch vocabulary."""
    batch, responses = config.batch, config.responses_per_rollout
    if config.objective.experience == "reference":
        source = f"{responses} reference solutions"
    else:
        source = f"{batch.prompts} prompts x {batch.samples_per_prompt} samples = {responses} responses"
    updates = config.updates_per_rollout
    passes = f" ({batch.epochs} epochs of {batch.minibatches})" if batch.epochs > 1 else ""
    plural = "s" if updates > 1 else ""
    return f"one step = {source}, used for {updates} update{plural} of {responses // batch.minibatches}{passes}"


def notes(config: TrainConfig) -> list[str]:
    """What a user should know of this configuration before waiting for it."""
    on_policy = config.updates_per_rollout == 1 and config.rollout.staleness == 0
    if on_policy and config.objective.experience == "rollout":
        return ["with 1 update per rollout these objectives are the same up to normalisation"]
    return []
