"""The typed configuration: one frozen dataclass per section, checked by pydantic, handed to the engine as it is.

Defaults live in conf/, never here. A section that comes in kinds is a union told apart by `kind` (gates by `name`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import ConfigDict, Discriminator, Field, Strict, Tag

T = TypeVar("T")

Count = Annotated[int, Strict(), Ge(1)]
Whole = Annotated[int, Strict(), Ge(0)]
Positive = Annotated[float, Gt(0), Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Ge(0), Field(allow_inf_nan=False)]
Fraction = Annotated[float, Ge(0), Le(1)]
Text = Annotated[str, MinLen(1)]


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(cls: type[T]) -> type[T]:
    """A frozen dataclass whose unknown keys are errors."""
    cls.__pydantic_config__ = ConfigDict(extra="forbid", coerce_numbers_to_str=True)  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)


@section
class TinyModel:
    kind: Literal["tiny"]


@section
class TemplateSection:
    """What renders prompts; the defaults are as in earlier versions.

    chat_template: null is the tokenizer's own, "none" is none, anything else a Jinja file. template_args: names that
    the template reads, with their values.
    """

    chat_template: Text | None = None
    template_args: dict[Text, Any] = field(default_factory=dict)


@section
class LocalModel(TemplateSection):
    kind: Literal["local"]
    path: Text


@section
class HubModel(TemplateSection):
    kind: Literal["hub"]
    path: Text
    revision: Text


@section
class ScratchModel:
    kind: Literal["scratch"]
    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    positions: Count


ModelConfig = Annotated[TinyModel | LocalModel | HubModel | ScratchModel, Field(discriminator="kind")]


@section
class AdditionData:
    kind: Literal["addition"]
    terms_min: Annotated[int, Strict(), Ge(2)]
    terms_max: Annotated[int, Strict(), Ge(2)]
    operand_min: Whole
    operand_max: Whole
    bare_fraction: Fraction


@section
class PromptSection:
    """What prompts are framed with; the defaults are as in earlier versions.

    prompt_template: Jinja, over all fields of a row. max_prompt_length: longer prompts, in tokens, are left out.
    """

    system_prompt: Text | None = None
    prompt_template: Text | None = None
    max_prompt_length: Count | None = None


@section
class JsonlData(PromptSection):
    kind: Literal["jsonl"]
    path: Text
    eval_path: Text | None
    eval_fraction: Annotated[float, Gt(0), Lt(1)]
    prompt_field: Text
    answer_field: Text
    solution_field: Text | None


@section
class Gsm8kData(PromptSection):
    kind: Literal["gsm8k"]
    path: Text
    revision: Text


DatasetConfig = Annotated[AdditionData | JsonlData | Gsm8kData, Field(discriminator="kind")]


SpecialTokens = Literal["strip", "keep"]


@section
class RewardSection:
    """Where the reward function runs, and what it reads; the defaults, in this process and without bounds, are as in
    earlier versions."""

    special_tokens: SpecialTokens = "strip"
    workers: Annotated[int, Strict(), Ge(0), Le(512)] = 0
    timeout_s: Annotated[float, Gt(0), Le(1e6)] | None = None
    memory_gib: Annotated[float, Ge(0.0625), Le(1e6)] | None = None
    on_error: Literal["stop", "skip"] = "stop"


@section
class ExactRewardSection(RewardSection):
    kind: Literal["exact"]
    answer_after: str | None


@section
class MathRewardSection(RewardSection):
    kind: Literal["math"]


@section
class PythonRewardSection(RewardSection):
    kind: Literal["python"]
    path: Text
    function: Text
    correct: Annotated[float, Strict(), Field(allow_inf_nan=False)] | Text | None = None  # as in earlier versions


@section
class FunctionRewardSection(RewardSection):
    """A function that a program gave to its `Session`; it has a name, and cannot be had from a configuration."""

    kind: Literal["function"]
    name: Text
    correct: Annotated[float, Strict(), Field(allow_inf_nan=False)] | Text | None


RewardConfig = Annotated[
    ExactRewardSection | MathRewardSection | PythonRewardSection | FunctionRewardSection, Field(discriminator="kind")
]


@section
class PlainGateSection:
    name: Literal["identity", "constant"]


@section
class ClipGateSection:
    name: Literal["clip"]
    eps_low: Annotated[float, Ge(0), Lt(1)]
    eps_high: NonNegative
    dual_clip: Annotated[float, Gt(1), Field(allow_inf_nan=False)] | None


@section
class LogClipGateSection:
    name: Literal["log_clip"]
    eps_low: NonNegative
    eps_high: NonNegative


@section
class CapGateSection:
    name: Literal["cap"]
    cap: Positive


@section
class GammaGateSection:
    name: Literal["gamma"]
    k_pos: Positive
    lambda_pos: Positive
    k_neg: Positive
    lambda_neg: Positive


@section
class WidthAt:
    """A wanted token multiplier at a ratio, for A > 0; at 1/ratio for A < 0."""

    at: Annotated[float, Gt(1), Field(allow_inf_nan=False)]
    multiplier: Positive


@section
class Saturation:
    """The wanted limits of f(r) / f(1) as r goes to 0, for A < 0, and to infinity, for A > 0."""

    low: Annotated[float, Gt(0), Lt(1)]
    high: Annotated[float, Gt(1), Field(allow_inf_nan=False)]


def kind_of_width(value: Any) -> str:
    """Told by the keys: {at, multiplier} or {low, high}."""
    if isinstance(value, WidthAt | Saturation):
        return type(value).__name__
    return "Saturation" if isinstance(value, dict) and ("low" in value or "high" in value) else "WidthAt"


Calibration = Annotated[
    Annotated[WidthAt, Tag("WidthAt")] | Annotated[Saturation, Tag("Saturation")], Discriminator(kind_of_width)
]


@section
class SoftGateSection:
    name: Literal[
        "sigmoid",
        "sigmoid_unit",
        "arctan",
        "erf",
        "softsign",
        "log_arctan",
        "arctan_log_ratio",
        "log_erf",
        "log_softsign",
        "log_tanh",
    ]
    tau_pos: Positive
    tau_neg: Positive
    one_sided: bool
    calibrate: Calibration | None


GateConfig = Annotated[
    PlainGateSection | ClipGateSection | LogClipGateSection | CapGateSection | GammaGateSection | SoftGateSection,
    Field(discriminator="name"),
]


@section
class KlSection:
    coef: NonNegative
    against: Literal["reference", "old"]
    place: Literal["loss", "reward"]
    estimator: Literal["k1", "k2", "k3"]


@section
class CorrectionSection:
    level: Literal["none", "token", "sequence"]
    cap: Positive


@section
class OverlongSection:
    penalty: NonNegative
    buffer: Annotated[float, Gt(0), Le(1)]


@section
class ObjectiveConfig:
    experience: Literal["rollout", "solutions"]
    form: Literal["surrogate", "score"]
    ratio: Literal["token", "sequence", "sequence_token", "product"]
    gate: GateConfig
    pool: Literal["arithmetic", "geometric"]
    normalize: Literal["response", "token", "constant", "sum"]
    advantage: Literal[
        "group_zscore",
        "group_mean",
        "leave_one_out",
        "group_mean_rescaled",
        "batch_mean",
        "batch_zscore",
        "none",
    ]
    kl: KlSection
    entropy_coef: NonNegative
    correction: CorrectionSection
    overlong: OverlongSection
    dynamic_sampling: Count

    @property
    def reads_reference(self) -> bool:
        """Whether a reference policy has to be kept."""
        return self.kl.coef > 0 and self.kl.against == "reference"


@section
class TrainSection:
    steps: Count
    max_tokens: Count | None
    max_minutes: Positive | None
    eval_every: Count
    save_every: Count
    keep_checkpoints: Count


@section
class BatchSection:
    prompts: Count
    samples_per_prompt: Count
    minibatches: Count
    epochs: Count


@section
class LoraSection:
    rank: Whole
    alpha: Positive


@section
class OptimSection:
    lr: Positive
    schedule: Literal["constant", "linear", "cosine"]
    warmup_steps: Whole
    weight_decay: NonNegative
    max_grad_norm: Positive


SamplerKind = Literal["native", "generate"]


@section
class SamplerSection:
    kind: SamplerKind = "native"  # see earlier.py, for both
    stop: list[Text] = field(default_factory=list)


@section
class RolloutSection(SamplerSection):
    max_response_length: Count
    temperature: Positive
    staleness: Whole


@section
class EvalSection:
    problems: Count
    samples: Count
    temperature: NonNegative
    max_response_length: Count


@section
class EngineSection:
    device: Literal["auto", "cpu", "cuda"]
    threads: Whole
    precision: Literal["auto", "float32", "bfloat16"]
    tokens_per_microbatch: Whole
    tokens_per_generation: Whole


@section
class NoTracker:
    kind: Literal["none"]
    project: Text | None = None
    mode: Literal["online", "offline"] | None = None


@section
class WandbTracker:
    kind: Literal["wandb"]
    project: Text | None
    mode: Literal["online", "offline"] | None


@section
class TrackioTracker:
    kind: Literal["trackio"]
    project: Text


@section
class TensorboardTracker:
    kind: Literal["tensorboard"]


TrackerConfig = Annotated[NoTracker | WandbTracker | TrackioTracker | TensorboardTracker, Field(discriminator="kind")]


@section
class EvalConfig:
    """What `sspo eval` needs: a model, problems, a reward, decoding."""

    seed: Whole
    name: Text | None
    output_dir: Text
    prompt_time: Text | None = None  # runs of earlier versions have none
    choices: dict[str, str]
    model: ModelConfig
    dataset: DatasetConfig
    reward: RewardConfig
    eval: EvalSection
    engine: EngineSection
    rollout: SamplerSection = SamplerSection()


@section
class TrainConfig(EvalConfig):
    """What `sspo train` needs: an `EvalConfig` and how to learn."""

    objective: ObjectiveConfig
    train: TrainSection
    batch: BatchSection
    lora: LoraSection
    optim: OptimSection
    rollout: RolloutSection
    tracker: TrackerConfig

    @property
    def responses_per_rollout(self) -> int:
        return self.batch.prompts * self.batch.samples_per_prompt

    @property
    def updates_per_rollout(self) -> int:
        return self.batch.minibatches * self.batch.epochs

    def evaluates(self, step: int) -> bool:
        """Whether step `step` ends with an evaluation: every train.eval_every, and the last."""
        return step % self.train.eval_every == 0 or step == self.train.steps


@section
class SweepSection:
    metric: Text
    direction: Literal["max", "min"]
    difference: Positive


@section
class CompareSection(SweepSection):
    baseline: Text | None


@section
class SweepConfig(TrainConfig):
    """What `sspo sweep` needs: the `TrainConfig` of a cell, and how cells are ranked."""

    sweep: SweepSection


@section
class CompareConfig(TrainConfig):
    """What `sspo compare` needs: the `TrainConfig` of a cell, and what is compared."""

    compare: CompareSection


GridConfig = CompareConfig | SweepConfig
