"""From configuration to parts: an objective by its name and overrides or by its section, a rewarder, a sampler."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal

from sspo_cli.config.compose import load_config
from sspo_cli.config.errors import ConfigError
from sspo_cli.config.paths import vllm_problems
from sspo_cli.config.rules import objective_problems
from sspo_cli.config.schema import (
    CapGateSection,
    ClipGateSection,
    CorrectionSection,
    EvalConfig,
    FunctionRewardSection,
    GammaGateSection,
    GateConfig,
    LogClipGateSection,
    MixtureRewardSection,
    ObjectiveConfig,
    PartReward,
    PythonReward,
    PythonRewardSection,
    RewardConfig,
    SoftGateSection,
    TaskReward,
    TrainConfig,
    WidthAt,
)
from sspo_cli.objectives import gate
from sspo_cli.objectives.calibrate import tau_for_multiplier, tau_for_saturation
from sspo_cli.objectives.correction import Correction, Mask, NegativeMask, Weight
from sspo_cli.objectives.kl import KlPenalty
from sspo_cli.objectives.objective import Objective

if TYPE_CHECKING:
    from sspo_cli.models.policy import Policy
    from sspo_cli.rewards.base import Judge, Judges, Rewarder
    from sspo_cli.rollout.base import Sampler


def load_objective(name: str, overrides: Sequence[str] = ()) -> Objective:
    """The objective `name` of conf/objective (the user's ./conf included) with Hydra overrides.

    >>> load_objective("sspo", overrides=["objective/gate=erf", "objective.gate.tau_pos=5"])

    Raises:
        ConfigError: for an unknown name, key or value.
    """
    return build_objective(
        load_config(TrainConfig, [f"objective={name}", *overrides], rules=objective_problems).objective
    )


def train_config(*overrides: str) -> TrainConfig:
    """The configuration of a training run, as `sspo train` makes it of the same words.

    >>> train_config("objective=sspo", "train.steps=20")

    Raises:
        ConfigError: with everything that is wrong with them.
    """
    return load_config(TrainConfig, list(overrides))


def build_objective(config: ObjectiveConfig) -> Objective:
    """The parts that `config` names.

    Raises:
        ConfigError: if no temperature gives the gate the width that objective.gate.calibrate asks for.
    """
    kl = config.kl
    return Objective(
        ratio=config.ratio,
        gate=build_gate(config.gate, config.pool),
        pool=config.pool,
        normalize=config.normalize,
        form=config.form,
        kl=KlPenalty(kl.coef, kl.against, kl.estimator) if kl.coef and kl.place == "loss" else None,
        entropy_coef=config.entropy_coef,
        correction=build_correction(config.correction),
    )


def build_correction(config: CorrectionSection) -> Correction | None:
    """None if every part is off."""
    level, mask, above = config.level, config.mask, config.mask_negative_above
    if not (config.compares or above):
        return None
    return Correction(
        weight=Weight(level, config.floor, math.inf if config.cap is None else config.cap) if level != "none" else None,
        mask=Mask(mask.level, mask.low, mask.high) if mask.level != "none" else None,
        negatives=NegativeMask(above, "rollout_logp_BT" if config.compares else "old_logp_BT") if above else None,
    )


def build_gate(config: GateConfig, pool: str) -> gate.Gate:
    """Bounds of ratios become bounds of log-ratios here: 1 - eps_low = 0 has no logarithm, so eps_low stays below 1."""
    if isinstance(config, ClipGateSection):
        ceiling = math.log(config.dual_clip) if config.dual_clip else None
        return gate.BoundGate(math.log1p(-config.eps_low), math.log1p(config.eps_high), ceiling)
    if isinstance(config, LogClipGateSection):
        return gate.BoundGate(lower=-config.eps_low, upper=config.eps_high)
    if isinstance(config, CapGateSection):
        return gate.CapGate(upper=math.log(config.cap))
    if isinstance(config, GammaGateSection):
        return gate.GammaGate(config.k_pos, config.lambda_pos, config.k_neg, config.lambda_neg)
    if isinstance(config, SoftGateSection):
        config = calibrated(config, pool)
        return gate.SoftGate(gate.CURVES[config.name], config.tau_pos, config.tau_neg, config.one_sided)
    return gate.IdentityGate() if config.name == "identity" else gate.ConstantGate()


def calibrated(config: SoftGateSection, pool: str) -> SoftGateSection:
    """`config` with the temperatures that its `calibrate` asks for, tau_pos at r > 1 and tau_neg at r < 1.

    Raises:
        ConfigError: if there are none.
    """
    wanted, curve = config.calibrate, gate.CURVES[config.name]
    if wanted is None:
        return config
    if isinstance(wanted, WidthAt):
        words = f"multiplier {wanted.multiplier:g} at ratio"
        found = {
            f"{words} {ratio:.4g}": tau_for_multiplier(curve, pool, ratio, wanted.multiplier)
            for ratio in (wanted.at, 1 / wanted.at)
        }
    else:
        found = {
            f"saturation at {wanted.high:g}": tau_for_saturation(curve, math.inf, wanted.high),
            f"saturation at {wanted.low:g}": tau_for_saturation(curve, 0, wanted.low),
        }
    # Below this tau the gate is negative for small ratios; no other gate has such a bound.
    smallest = math.pi / 2 if config.name == "arctan_log_ratio" else 0
    missing = [wish for wish, tau in found.items() if tau is None or tau <= smallest]
    if missing:
        raise ConfigError(
            [
                f"objective.gate.calibrate: no tau gives objective.gate.name={config.name} with objective.pool={pool}"
                f" {' nor '.join(missing)}; see what it can do with `sspo show objective sspo"
                f" objective/gate={config.name} --plot`"
            ]
        )
    tau_pos, tau_neg = (tau for tau in found.values() if tau is not None)
    return replace(config, tau_pos=tau_pos, tau_neg=tau_neg, calibrate=None)


def build_rewarder(config: RewardConfig) -> Rewarder:
    """The rewarder that `config` names; whoever builds one closes it.

    Raises:
        ConfigError: for a user's file that is missing, cannot be imported or has no such function.
    """
    if isinstance(config, FunctionRewardSection):
        raise ConfigError(
            [
                f"reward=function: a program gave the run its reward {config.name}; run that program again, or choose"
                " another reward"
            ]
        )
    from sspo_cli.rewards.base import InProcessRewarder
    from sspo_cli.rewards.load import load_function
    from sspo_cli.rewards.pool import Limits, PoolRewarder

    judge = judge_of(config)
    if not config.workers:
        return InProcessRewarder(load_function(config), judge)
    name = f"reward={config.kind}"
    if isinstance(config, PythonRewardSection):
        name = f"reward.path={config.path}: {config.function}"
    return PoolRewarder(
        config, judge, workers=config.workers, limits=Limits(config.timeout_s, config.memory_gib), name=name
    )


def judge_of(config: RewardConfig) -> Judge | Judges:
    """What decides which responses are correct, for each part of a mixture its own."""
    from sspo_cli.rewards.base import Judge, Judges
    from sspo_cli.rewards.remarks import Remarks
    from sspo_cli.rewards.text import has_answer

    remarks = Remarks()

    def judge(reward: RewardConfig | PartReward, key: str) -> Judge:
        if reward.kind == "math":
            return Judge(on_error=config.on_error, has_answer=has_answer, remarks=remarks)
        correct = reward.correct if isinstance(reward, PythonReward | TaskReward) else None
        return Judge(correct, config.on_error, key=f"{key}.correct", remarks=remarks)

    if isinstance(config, MixtureRewardSection):
        return Judges({name: judge(part, f"reward.parts.{name}") for name, part in config.parts.items()}, remarks)
    return judge(config, "reward")


def function_reward(function: Callable[..., Any], config: FunctionRewardSection) -> Rewarder:
    """A rewarder for a Python function at hand, as reward=python calls one: function(prompt, response, answer).

    It runs in this process.
    """
    from sspo_cli.rewards.base import InProcessRewarder, Judge
    from sspo_cli.rewards.python import called

    @wraps(function)
    def in_this_folder(*arguments: Any, **more: Any) -> Any:
        with chdir("."):  # the run writes to paths that stand on it
            return function(*arguments, **more)

    call = called(in_this_folder, config.name, f"the reward function {config.name}")
    return InProcessRewarder(call, Judge(config.correct, config.on_error, key="correct"))


def build_sampler(config: EvalConfig, policy: Policy, longest: int) -> Sampler:
    """A sampler of `policy` within the memory that `config.engine` allows; whoever builds one closes it. longest:
    tokens of the longest prompt with its response.

    Raises:
        ConfigError: for vLLM that is not there, does not start, or does not serve the model.
    """
    from sspo_cli.models.size import generation_tokens

    tokens = generation_tokens(config.engine, policy.model.config, policy.device, policy.precision.itemsize)
    if config.rollout.kind != "vllm":
        return sampler_of(config.rollout.kind, policy, config.seed, tokens)
    from sspo_cli.guards import SamplerLost
    from sspo_cli.rollout.vllm import VllmSampler

    if problems := vllm_problems(config.rollout):
        raise ConfigError(problems)
    try:
        return VllmSampler(policy, config.seed, tokens, config.rollout.python, longest)
    except SamplerLost as lost:
        model_type = policy.model.config.model_type
        raise ConfigError([f"rollout=vllm: a model of type {model_type}: {lost}; set rollout=native"]) from lost


def sampler_of(kind: Literal["native", "generate"], policy: Policy, seed: int, tokens_in_flight: int) -> Sampler:
    """The sampler of that kind. tokens_in_flight: tokens of key/value cache that it may hold."""
    if kind == "generate":
        from sspo_cli.rollout.generate import GenerateSampler

        return GenerateSampler(policy, seed, tokens_in_flight)
    from sspo_cli.rollout.native import NativeSampler

    return NativeSampler(policy, seed, tokens_in_flight)
