"""What a run is made of, loaded and checked against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sspo_cli.build import build_objective, build_rewarder, build_sampler
from sspo_cli.config.errors import all_or_problems
from sspo_cli.config.schema import EvalConfig, LocalModel, TrainConfig
from sspo_cli.data.asked import asked_dataset
from sspo_cli.data.encode import Encoder
from sspo_cli.data.problem import Dataset
from sspo_cli.engine.agreement import check_agreement
from sspo_cli.engine.device import choose_device, choose_precision
from sspo_cli.engine.fingerprint import of_draws, of_order, of_problems, of_reward
from sspo_cli.engine.shared_collector import SharedCollector
from sspo_cli.engine.world import World
from sspo_cli.models.base import Base, base_of_checkpoint, find, pinned
from sspo_cli.models.fit import check_solutions, that_fit
from sspo_cli.models.load import load_policy
from sspo_cli.models.policy import Policy
from sspo_cli.models.recompute import check_recomputing
from sspo_cli.models.reference import Reference
from sspo_cli.models.source import ADAPTER
from sspo_cli.models.weights import in_float32
from sspo_cli.objectives.objective import Objective
from sspo_cli.rewards.base import Rewarder
from sspo_cli.rollout.base import Sampler
from sspo_cli.rollout.collect import Collector


@dataclass(frozen=True)
class Parts:
    """notes: lines for the user about how the data was read."""

    policy: Policy
    dataset: Dataset
    rewarder: Rewarder
    sampler: Sampler
    notes: Sequence[str]

    def collector(self, config: EvalConfig, world: World) -> Collector:
        special_tokens = config.reward.special_tokens
        return SharedCollector(self.policy, self.sampler, self.rewarder, config.prompt_time, special_tokens, world)

    def close(self) -> None:
        """End what runs beside this process."""
        self.sampler.close()
        self.rewarder.close()


@dataclass(frozen=True)
class TrainParts(Parts):
    """reference: the initial policy, where the objective reads it. base: what adapters stand on, or the reference was
    read from."""

    objective: Objective
    reference: Reference | None
    base: Base | None

    @property
    def policies(self) -> list[Policy]:
        """Every policy with weights of its own."""
        apart = self.reference is not None and self.reference.policy is not self.policy
        return [self.policy, self.reference.policy] if self.reference and apart else [self.policy]


class Beginning(Protocol):
    """What a run stood on when it began. The checks raise ConfigError for what is another now."""

    def check_hashes(self, found: Mapping[str, str]) -> None: ...

    def check_order(self, found: Mapping[str, str]) -> None: ...

    def check_reward(self, files: Mapping[str, str]) -> None: ...


def load_parts(
    config: TrainConfig,
    checkpoint: Path | None = None,
    began: Beginning | None = None,
    reward: Callable[[], Rewarder] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TrainParts:
    """The parts of a training run, with the weights of `checkpoint` if one is given; of a run that goes on, checked
    against what it `began` with. reward: makes the rewarder in the place of config.reward. progress: is told how many
    of how many prompts are encoded.

    Raises:
        ConfigError: with everything that is wrong with any of them, or has changed.
    """
    device = choose_device(config.engine)
    precision = choose_precision(config.engine, device)
    adapted = config.lora.rank > 0 if checkpoint is None else (checkpoint / ADAPTER).is_file()
    needs_base = adapted or config.objective.reads_reference

    undo = ExitStack()

    def rewarder() -> Rewarder:
        found = reward() if reward else build_rewarder(config.reward)
        undo.callback(found.close)
        return found

    def policy_and_base() -> tuple[Policy, Base | None]:
        if checkpoint is None:
            model = config.model if config.lora.rank else in_float32(config.model)
            policy = load_policy(model, config.seed, device, precision, merged=True)
            return policy, pinned(config.model, config.seed) if needs_base else None
        base = None
        if needs_base:
            began_with = base_of_checkpoint(checkpoint, config.model, config.seed)
            base = find(began_with, checkpoint, config.model, changed=began is not None)
            if began is not None:
                began.check_hashes({"base": str(base.sha256)})
        saved = LocalModel(kind="local", path=str(checkpoint), attention=config.model.attention)
        return load_policy(saved, config.seed, device, precision, base=base if adapted else None), base

    with undo:
        (dataset, fewer), rewards, (policy, base), objective = all_or_problems(
            lambda: asked_dataset(config),
            rewarder,
            policy_and_base,
            lambda: build_objective(config.objective),
        )
        encoder = Encoder(policy.tokenizer, config.prompt_time)
        response = max(config.rollout.max_response_length, config.eval.max_response_length)
        dataset, prompts, left_out = that_fit(dataset, config.dataset, policy, encoder, response, progress)
        if began is not None:
            all_or_problems(
                lambda: began.check_hashes({**of_problems(dataset), **of_draws(config)}),
                lambda: began.check_order(of_order(dataset, config)),
                lambda: began.check_reward(of_reward(config.reward)),
            )
        if config.objective.experience == "solutions":
            check_solutions(policy, encoder, dataset)
        if config.lora.rank and checkpoint is None:
            from sspo_cli.models.lora import with_adapters  # peft takes seconds to import

            assert base is not None
            policy = with_adapters(policy, config.lora, config.seed, base)
        if config.engine.gradient_checkpointing:
            check_recomputing(policy.model)
        longest = prompts.longest + response
        sampler = build_sampler(config, policy, longest)
        undo.callback(sampler.close)
        check_agreement(policy, longest, config.rollout.kind, trained=True, sampler=sampler)
        reference = None
        if config.objective.reads_reference:
            assert base is not None
            kept = policy if adapted else load_policy(base.model, base.seed, device, precision, merged=True)
            reference = Reference(kept)
        repeats = []
        if dataset.train_size is not None and dataset.train_size < config.batch.prompts:
            repeats.append(
                f"dataset: batch.prompts={config.batch.prompts} is more than its {dataset.train_size} problems to learn"
                " from, so a step holds some of them more than once"
            )
        notes = [*dataset.notes, *fewer, *left_out, *repeats, *prompts.notes]
        undo.pop_all()
        return TrainParts(policy, dataset, rewards, sampler, notes, objective, reference, base)


def load_evaluation(config: EvalConfig, progress: Callable[[int, int], None] = lambda done, total: None) -> Parts:
    """The parts of an evaluation. progress: is told how many of how many prompts are encoded.

    Raises:
        ConfigError: with everything that is wrong with any of them.
    """
    device = choose_device(config.engine)
    (dataset, fewer), rewarder, policy = all_or_problems(
        lambda: asked_dataset(config),
        lambda: build_rewarder(config.reward),
        lambda: load_policy(config.model, config.seed, device, choose_precision(config.engine, device)),
    )
    response = config.eval.max_response_length
    encoder = Encoder(policy.tokenizer, config.prompt_time)
    dataset, prompts, left_out = that_fit(dataset, config.dataset, policy, encoder, response, progress)
    longest = prompts.longest + response
    with ExitStack() as undo:
        sampler = build_sampler(config, policy, longest)
        undo.callback(sampler.close)
        check_agreement(policy, longest, config.rollout.kind, trained=False, sampler=sampler)
        undo.pop_all()
    return Parts(policy, dataset, rewarder, sampler, [*dataset.notes, *fewer, *left_out, *prompts.notes])
