"""Rules between keys: each returns a line per broken promise, and all are reported together."""

from __future__ import annotations

from sspo_cli.config.schema import AdditionData, EvalConfig, SoftGate, TrainConfig

GROUP_ADVANTAGES = ("group_zscore", "group_mean", "leave_one_out")


def problems_between_keys(config: EvalConfig) -> list[str]:
    """Every rule that `config` breaks, as lines for a person."""
    problems = dataset_problems(config) + eval_problems(config)
    if isinstance(config, TrainConfig):
        problems += batch_problems(config) + objective_problems(config)
    return problems


def dataset_problems(config: EvalConfig) -> list[str]:
    problems = []
    data = config.dataset
    if isinstance(data, AdditionData):
        if data.terms_min > data.terms_max:
            problems.append(f"dataset.terms_min={data.terms_min}: must not exceed dataset.terms_max={data.terms_max}")
        if data.operand_min >= data.operand_max:
            problems.append(
                f"dataset.operand_min={data.operand_min}: must be below dataset.operand_max={data.operand_max}"
            )
    elif "{prompt}" not in data.prompt_template:
        problems.append(f"dataset.prompt_template={data.prompt_template!r}: must contain {{prompt}}")
    return problems


def eval_problems(config: EvalConfig) -> list[str]:
    if config.eval.temperature == 0 and config.eval.samples > 1:
        return [
            f"eval.samples={config.eval.samples}: must be 1 with eval.temperature=0;"
            " greedy decoding gives the same response every time"
        ]
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
    if objective.experience == "reference":
        if batch.samples_per_prompt != 1:
            problems.append(
                f"batch.samples_per_prompt={batch.samples_per_prompt}: must be 1 when learning reference solutions"
                " (objective.experience=reference); a prompt has one"
            )
    elif objective.advantage in GROUP_ADVANTAGES and batch.samples_per_prompt < 2:
        problems.append(
            f"batch.samples_per_prompt={batch.samples_per_prompt}: must be at least 2 for"
            f" objective.advantage={objective.advantage}, which compares the responses of one prompt"
        )
    return problems


def objective_problems(config: TrainConfig) -> list[str]:
    problems = []
    objective = config.objective
    if isinstance(objective.gate, SoftGate) and objective.gate.one_sided and objective.gate.name == "sigmoid":
        problems.append(
            "objective.gate.one_sided=true: needs a gate with f(1) = 1, which sigmoid is not;"
            " use objective/gate=sigmoid_unit"
        )
    if objective.gate.name == "constant" and objective.form == "ratio":
        problems.append(
            "objective.gate.name=constant: has no gradient in objective.form=ratio; use objective.form=score"
        )
    return problems
