"""Rules between keys: each returns a line per broken promise, and all are reported together."""

from __future__ import annotations

import math
import re
from datetime import datetime

from sspo_cli.config.schema import (
    AdditionData,
    CompareConfig,
    EvalConfig,
    MixtureData,
    MixtureRewardSection,
    ObjectiveConfig,
    PublishedData,
    PublishedTest,
    ReasoningGymData,
    SoftGateSection,
    SourceConfig,
    SweepConfig,
    TrainConfig,
)
from sspo_cli.config.template import template_problems

COLDEST = 1e-4
COLDEST_OF_VLLM = 0.01  # above 0
GROUP_ADVANTAGES = ("group_zscore", "group_mean", "leave_one_out", "group_mean_rescaled")


def problems_between_keys(config: EvalConfig) -> list[str]:
    """Every rule that `config` breaks, as lines for a person."""
    problems = time_problems(config) + dataset_problems(config) + reward_problems(config) + eval_problems(config)
    problems += temperature_problems(config) + sampler_problems(config)
    if isinstance(config, TrainConfig):
        problems += source_of_rollouts_problems(config) + engine_problems(config) + batch_problems(config)
        problems += objective_problems(config) + lora_problems(config)
    return problems


def time_problems(config: EvalConfig) -> list[str]:
    try:
        datetime.fromisoformat(config.prompt_time or "2026-01-31")
    except ValueError:
        return [f"prompt_time={config.prompt_time}: must be a date and time such as 2026-01-31T12:00:00"]
    return []


def temperature_problems(config: EvalConfig) -> list[str]:
    """Logits divided by less are no numbers in float32, and vLLM draws at its coldest instead."""
    values = {"eval.temperature": config.eval.temperature}
    if isinstance(config, TrainConfig):
        values["rollout.temperature"] = config.rollout.temperature
    coldest, way_out = (COLDEST_OF_VLLM, ", or rollout=native") if config.rollout.kind == "vllm" else (COLDEST, "")
    return [
        f"{key}={value:g}: must be 0, or {coldest:g} or more{way_out}"
        for key, value in values.items()
        if 0 < value < coldest
    ]


def dataset_problems(config: EvalConfig) -> list[str]:
    data = config.dataset
    if not isinstance(data, MixtureData):
        return source_problems(data, "dataset", config)
    problems = share_problems("dataset.parts", len(data.parts), config)
    for name, part in data.parts.items():
        if not re.fullmatch(r"[\w.-]+", name) or name.endswith(("_low", "_high")):
            problems.append(
                f"dataset.parts.{name}: stands in names of metrics, and must be letters, digits, dots, - or _, not"
                " ending with _low or _high"
            )
        problems += source_problems(part, f"dataset.parts.{name}", config)
    return problems


def source_problems(data: SourceConfig, key: str, config: EvalConfig) -> list[str]:
    """Of a dataset that is no mixture, whose section is `key`."""
    problems = []
    if isinstance(data, AdditionData):
        if data.terms_min > data.terms_max:
            problems.append(f"{key}.terms_min={data.terms_min}: must not exceed {key}.terms_max={data.terms_max}")
        if data.operand_min >= data.operand_max:
            problems.append(f"{key}.operand_min={data.operand_min}: must be below {key}.operand_max={data.operand_max}")
        return problems
    problems += [line.replace("dataset.", f"{key}.", 1) for line in template_problems(data.prompt_template)]
    if isinstance(data, ReasoningGymData):
        problems += [
            f"{key}.params.{task}: is not among {key}.tasks ({', '.join(data.weights)})"
            for task in data.params
            if task not in data.weights
        ]
        problems += [] if data.weights else [f"{key}.tasks={{}}: names no task; there must be one at least"]
        problems += share_problems(f"{key}.tasks", len(data.weights), config)
    if isinstance(data, PublishedTest) and isinstance(config, TrainConfig):
        where = f"dataset={data.kind}" if key == "dataset" else key
        problems.append(
            f"{where}: holds problems to evaluate on alone; train on another and evaluate on this one, such as"
            f" dataset=math dataset.eval={data.kind}"
        )
    if isinstance(data, PublishedData) and data.eval_path is not None and data.eval is None:
        problems.append(f"{key}.eval_path={data.eval_path}: is the place of {key}.eval, which is null; set it too")
    return problems


def share_problems(key: str, parts: int, config: EvalConfig) -> list[str]:
    """Every part of a mixture is evaluated."""
    if config.eval.problems >= parts:
        return []
    return [f"eval.problems={config.eval.problems}: must be at least {parts}, one of each of {key}"]


def reward_problems(config: EvalConfig) -> list[str]:
    reward = config.reward
    problems = fit_problems(config)
    bounds = {"timeout_s": reward.timeout_s, "memory_gib": reward.memory_gib}
    return problems + [
        f"reward.{key}={value:g}: only a worker process can be bounded; use reward.workers=1 or more, or"
        f" reward.{key}=null"
        for key, value in bounds.items()
        if value is not None and not reward.workers
    ]


def fit_problems(config: EvalConfig) -> list[str]:
    """Rewards that grade problems of one kind of dataset alone."""
    data, reward = config.dataset, config.reward
    graded: list[tuple[str, str, SourceConfig]] = []
    if isinstance(data, MixtureData):
        for name, part in data.parts.items():
            if isinstance(reward, MixtureRewardSection):
                graded.append((f"reward.parts.{name}", reward.parts[name].kind, part))
            else:
                graded.append(("reward", reward.kind, part))
    elif isinstance(reward, MixtureRewardSection):
        return [f"reward=mixture: is of dataset=mixture alone; dataset={config.choices['dataset']} needs another"]
    else:
        graded.append(("reward", reward.kind, data))
    unfit = {key for key, kind, source in graded if kind == "task" and not isinstance(source, ReasoningGymData)}
    return [
        f"{key}=task: grades problems of dataset=reasoning_gym alone; choose another, such as {key}=math or {key}=exact"
        for key in sorted(unfit)
    ]


def eval_problems(config: EvalConfig) -> list[str]:
    if config.eval.temperature == 0 and config.eval.samples > 1:
        return [
            f"eval.samples={config.eval.samples}: must be 1 with eval.temperature=0;"
            " greedy decoding gives the same response every time"
        ]
    return []


def sampler_problems(config: EvalConfig) -> list[str]:
    """What vLLM cannot do."""
    if config.rollout.kind != "vllm" or config.model.quantize == "none":
        return []
    return [
        f"model.quantize={config.model.quantize}: weights of 4 bits are not handed over to vLLM; use"
        " model.quantize=none, or rollout=native"
    ]


def source_of_rollouts_problems(config: TrainConfig) -> list[str]:
    """What cannot be while updates are made."""
    rollout, kl = config.rollout, config.objective.kl
    if rollout.source == "in_order":
        return []
    needs = {
        "rollout=vllm, which has weights of its own": rollout.kind == "vllm",
        "rollout.staleness=1 or more": rollout.staleness > 0,
        "engine=single": config.engine.kind == "single",
        "objective.experience=rollout": config.objective.experience == "rollout",
        "objective.kl.place=loss": kl.coef == 0 or kl.place == "loss",
    }
    return [f"rollout.source=overlapped: needs {need}" for need, given in needs.items() if not given]


def engine_problems(config: TrainConfig) -> list[str]:
    engine = config.engine
    if engine.kind == "single":
        one = "engine=single is one process; write engine=ddp, or engine=fsdp"
        return [f"engine.processes={engine.processes}: {one}"] if engine.processes > 1 else []
    if isinstance(config, (CompareConfig, SweepConfig)):
        asked = f"engine={engine.kind}"
        return [f"{asked}: every cell of a grid is one process; leave {asked} out, or train the cells one by one"]
    if engine.kind == "fsdp" and config.lora.rank and config.model.quantize != "none":
        return [f"model.quantize={config.model.quantize}: engine=fsdp shards weights of 16 and 32 bits; use engine=ddp"]
    if engine.processes > config.batch.prompts:
        return [f"engine.processes={engine.processes}: is more than batch.prompts={config.batch.prompts}; start fewer"]
    return []


def batch_problems(config: TrainConfig) -> list[str]:
    problems = []
    batch = config.batch
    if config.responses_per_rollout % batch.minibatches:
        problems.append(
            f"batch.minibatches={batch.minibatches}: must divide batch.prompts * batch.samples_per_prompt ="
            f" {batch.prompts} * {batch.samples_per_prompt} = {config.responses_per_rollout}"
        )
    objective = config.objective
    if objective.experience == "solutions":
        if batch.samples_per_prompt != 1:
            problems.append(
                f"batch.samples_per_prompt={batch.samples_per_prompt}: must be 1 when learning reference solutions"
                " (objective.experience=solutions); a prompt has one"
            )
    elif objective.advantage in GROUP_ADVANTAGES and batch.samples_per_prompt < 2:
        problems.append(
            f"batch.samples_per_prompt={batch.samples_per_prompt}: must be at least 2 for"
            f" objective.advantage={objective.advantage}, which compares the responses of one prompt"
        )
    return problems


def lora_problems(config: TrainConfig) -> list[str]:
    problems = []
    if config.lora.rank and config.model.kind == "scratch":
        problems.append(
            f"lora.rank={config.lora.rank}: adapters stand on weights that can be read again, which model=scratch draws"
            " anew; use lora.rank=0, or model=tiny, local or hub"
        )
    if config.model.quantize != "none" and not config.lora.rank:
        problems.append(
            f"model.quantize={config.model.quantize}: weights of 4 bits cannot be trained, adapters on them can; set"
            " lora.rank=16 or so, or model.quantize=none"
        )
    return problems


def objective_problems(config: TrainConfig) -> list[str]:
    objective = config.objective
    return gate_problems(objective) + extras_problems(objective)


def gate_problems(objective: ObjectiveConfig) -> list[str]:
    problems = []
    gate = objective.gate
    if isinstance(gate, SoftGateSection) and gate.one_sided and gate.name == "sigmoid":
        problems.append(
            "objective.gate.one_sided=true: needs a gate with f(1) = 1, which sigmoid is not;"
            " use objective/gate=sigmoid_unit"
        )
    if isinstance(gate, SoftGateSection) and gate.calibrate and objective.form == "score":
        problems.append(
            "objective.gate.calibrate: sets the slope of the gate, which objective.form=score does not use;"
            " use objective.form=surrogate"
        )
    if gate.name == "arctan_log_ratio" and not gate.calibrate:
        problems += [
            f"objective.gate.{key}={tau:g}: must be above pi/2 = 1.5708, or the gate 1 + arctan(tau l)/tau is negative"
            f" for small ratios, which objective.pool={objective.pool} cannot average in logarithms;"
            " use objective/gate=log_arctan for a smaller tau"
            for key, tau in (("tau_pos", gate.tau_pos), ("tau_neg", gate.tau_neg))
            if tau <= math.pi / 2
        ]
    if gate.name in ("constant", "gamma") and objective.form == "surrogate":
        problems.append(
            f"objective.gate.name={gate.name}: has not the slope 1 at r = 1 that objective.form=surrogate needs;"
            " use objective.form=score"
        )
    return problems


def extras_problems(objective: ObjectiveConfig) -> list[str]:
    problems = []
    kl, correction = objective.kl, objective.correction
    if kl.place == "reward" and kl.against == "old":
        problems.append(
            "objective.kl.place=reward: the sampling policy does not differ from itself when the reward is given;"
            " use objective.kl.against=reference, or objective.kl.place=loss"
        )
    problems += correction_problems(objective)
    if objective.dynamic_sampling > 1 and objective.advantage not in GROUP_ADVANTAGES:
        problems.append(
            f"objective.dynamic_sampling={objective.dynamic_sampling}: drops prompts whose responses tie, which still"
            f" teach under objective.advantage={objective.advantage}; use one of {', '.join(GROUP_ADVANTAGES)}"
        )
    if objective.experience == "solutions":
        unread = {
            "objective.kl.place=reward": kl.coef > 0 and kl.place == "reward",
            f"objective.correction.level={correction.level}": correction.level != "none",
            f"objective.correction.mask.level={correction.mask.level}": correction.mask.level != "none",
            f"objective.correction.mask_negative_above={correction.mask_negative_above}": (
                correction.mask_negative_above is not None
            ),
            f"objective.overlong.penalty={objective.overlong.penalty:g}": objective.overlong.penalty > 0,
            f"objective.dynamic_sampling={objective.dynamic_sampling}": objective.dynamic_sampling > 1,
        }
        problems += [
            f"{setting}: has no effect on reference solutions (objective.experience=solutions), which are not sampled"
            for setting, wanted in unread.items()
            if wanted
        ]
    return problems


def correction_problems(objective: ObjectiveConfig) -> list[str]:
    correction = objective.correction
    one_weight = objective.ratio in ("sequence", "product") or objective.pool == "geometric"
    problems = [
        f"objective.correction.{key}=token: objective.ratio={objective.ratio} with objective.pool={objective.pool}"
        f" has one weight per response; use objective.correction.{key}=sequence"
        for key, level in (("level", correction.level), ("mask.level", correction.mask.level))
        if level == "token" and objective.form == "surrogate" and one_weight
    ]
    if correction.mask.level == "token" and objective.gate.name == "gamma":
        problems.append(
            "objective.correction.mask.level=token: objective.gate.name=gamma has one weight per response; use"
            " objective.correction.mask.level=sequence"
        )
    if correction.level == "sequence" and objective.gate.name == "gamma":
        problems.append(
            "objective.correction.level=sequence: objective.gate.name=gamma takes the weight of each token into its"
            " ratio; use objective.correction.level=token"
        )
    if correction.cap is not None and correction.cap < correction.floor:
        problems.append(
            f"objective.correction.floor={correction.floor:g}: is above objective.correction.cap={correction.cap:g};"
            " write a smaller floor"
        )
    if correction.floor and correction.level == "none":
        problems.append(
            f"objective.correction.floor={correction.floor:g}: has no effect with objective.correction.level=none; set"
            " that to token or sequence, or leave the floor out"
        )
    return problems
