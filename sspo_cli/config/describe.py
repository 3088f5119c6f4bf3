"""What a configuration means, in words."""

from __future__ import annotations

from sspo_cli.config.fitting import fitting_reward
from sspo_cli.config.schema import (
    EvalConfig,
    ExactReward,
    FileData,
    HubData,
    MixtureRewardSection,
    PartReward,
    PublishedData,
    PublishedSection,
    PythonReward,
    RewardConfig,
    TaskReward,
    TrainConfig,
)
from sspo_cli.plural import count

OWN_REWARDS = ("python", "function")
KEPT = {"strip": "left out", "keep": "part of it"}


def batch_sentence(config: TrainConfig) -> str:
    """What one step is, in the words of the batch vocabulary."""
    batch, responses = config.batch, config.responses_per_rollout
    if config.objective.experience == "solutions":
        source = count(responses, "reference solution")
    else:
        sampled = f"{count(batch.prompts, 'prompt')} x {count(batch.samples_per_prompt, 'sample')}"
        source = f"{sampled} = {count(responses, 'response')}"
    limit = config.objective.dynamic_sampling
    if limit > 1:
        source += f" that do not tie, from at most {count(limit * batch.prompts, 'prompt')}"
    updates = config.updates_per_rollout
    passes = f" ({batch.epochs} epochs of {batch.minibatches})" if batch.epochs > 1 else ""
    return f"one step = {source}, used for {count(updates, 'update')} of {responses // batch.minibatches}{passes}"


def response_tokens(config: TrainConfig) -> int | None:
    """The most tokens that one step can sample; None for reference solutions, which have their own length."""
    if config.objective.experience == "solutions":
        return None
    return config.responses_per_rollout * config.objective.dynamic_sampling * config.rollout.max_response_length


def reward_sentence(reward: RewardConfig) -> str:
    """What gives a response its reward, and what it reads of it."""
    told = graded_by(reward)
    if isinstance(reward, MixtureRewardSection):
        told = "; ".join(f"{name} by {part.kind}: {graded_by(part)}" for name, part in reward.parts.items())
    return f"{reward.kind}: {told}; special tokens of the response are {KEPT[reward.special_tokens]}"


def checkpoints_at_once(config: TrainConfig) -> int:
    """Checkpoints on disk while one more is written."""
    return config.train.keep_checkpoints + 1 + (config.train.keep_best is not None)


def graded_by(reward: RewardConfig | PartReward) -> str:
    if isinstance(reward, ExactReward):
        mark = reward.answer_after
        return f"1 if {'all of it' if mark is None else f'the text after the last {mark!r}'} equals the answer, else 0"
    if isinstance(reward, PythonReward):
        return f"{reward.function}(prompt, response, answer) of {reward.path}"
    if isinstance(reward, TaskReward):
        begin = "its beginning" if reward.answer_after is None else f"the last {reward.answer_after!r}"
        end = "its end" if reward.answer_before is None else f"the next {reward.answer_before!r}"
        return f"the score of the task for the text between {begin} and {end}; correct from {reward.correct:g}"
    return "1 if the final answer equals the reference, as text or in value, else 0"


def held_out_sentence(config: EvalConfig) -> str:
    """The data set of the held-out problems, and where its rows come from."""
    data, name = config.dataset, config.choices["dataset"]
    if isinstance(data, PublishedData) and data.eval is not None:
        return f"{data.eval} ({data.eval_path})" if data.eval_path else data.eval
    if isinstance(data, FileData):
        return f"{name} ({data.eval_path or data.path})"
    if isinstance(data, HubData):
        return f"{name} ({data.path}, {data.eval_split or data.split})"
    return f"{name} ({data.path})" if isinstance(data, PublishedSection) else name


def notes(config: TrainConfig) -> list[str]:
    """What a user should know of this configuration before waiting for it."""
    found = reward_notes(config)
    on_policy = config.updates_per_rollout == 1 and config.rollout.staleness == 0
    if on_policy and config.objective.experience == "rollout":
        found.append("with 1 update per rollout all objectives are the same up to normalisation and advantage")
    model, kl = config.model, config.objective.kl
    if model.dtype != "float32" and not config.lora.rank and not config.objective.reads_reference:
        found.append(
            f"model.dtype={model.dtype}: is of weights that are not trained, and here all are, in float32;"
            " engine.precision is of matrix products"
        )
    if kl.coef and kl.place == "loss" and kl.against == "reference" and kl.estimator == "k1":
        found.append(
            "objective.kl.estimator=k1 in the loss: its expected gradient is zero, so it holds nothing back;"
            " use k2 or k3, or objective.kl.place=reward"
        )
    return found


def reward_notes(config: EvalConfig) -> list[str]:
    """A reward that is not the one that the dataset names; a function of the user's own fits what it is written for."""
    dataset, reward = config.choices["dataset"], config.choices["reward"]
    fits = fitting_reward(dataset) if reward not in OWN_REWARDS else None
    return (
        []
        if fits in (None, reward)
        else [f"reward={reward}: chosen by hand; dataset={dataset} is made for reward={fits}"]
    )
