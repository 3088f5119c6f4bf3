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
class WeightsSection:
    """How weights are held, and which code attends; the defaults are as in earlier versions."""

    dtype: Literal["float32", "bfloat16", "auto"] = "float32"
    quantize: Literal["none", "nf4"] = "none"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"


@section
class TinyModel(WeightsSection):
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
class LocalModel(WeightsSection, TemplateSection):
    kind: Literal["local"]
    path: Text


@section
class HubModel(WeightsSection, TemplateSection):
    kind: Literal["hub"]
    path: Text
    revision: Text


@section
class ScratchModel(WeightsSection):
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
class RowsSection(PromptSection):
    """A user's own rows. id_field: read where rows have it. answer_field: null is the last message of the assistant, or
    no answer where there is none. The default of id_field is as in earlier versions."""

    eval_fraction: Annotated[float, Gt(0), Lt(1)]
    id_field: Text | None = None
    prompt_field: Text
    answer_field: Text | None
    solution_field: Text | None


@section
class FileData(RowsSection):
    kind: Literal["file"]
    path: Text
    eval_path: Text | None


@section
class HubData(RowsSection):
    kind: Literal["hub"]
    path: Text
    config: Text | None
    split: Text
    eval_split: Text | None
    revision: Text


HeldOut = Literal["gsm8k", "math", "math500", "aime24", "aime25", "amc23"]


@section
class PublishedSection(PromptSection):
    """A data set as it was published, on the hub or in files of its schema: data/published.py knows what is in it."""

    path: Text
    revision: Text
    config: Text | None = None


@section
class PublishedData(PublishedSection):
    """With problems to learn from. eval: the data set whose test problems are held out; None is its own."""

    kind: Literal["gsm8k", "math", "deepmath", "dapo_math_17k"]
    eval: HeldOut | None = None
    eval_path: Text | None = None


@section
class PublishedTest(PublishedSection):
    """With problems to evaluate on alone."""

    kind: Literal["math500", "aime24", "aime25", "amc23"]


def kind_of_tasks(value: Any) -> str:
    """A mapping holds weights."""
    return "weights" if isinstance(value, dict) else "name"


@section
class ReasoningGymData(PromptSection):
    """tasks: the name of one, or several with weights. params: of tasks, by name. size: problems to learn from, of each
    task, before equal ones are left out."""

    kind: Literal["reasoning_gym"]
    tasks: Annotated[
        Annotated[Text, Tag("name")] | Annotated[dict[Text, Positive], Tag("weights")], Discriminator(kind_of_tasks)
    ]
    params: dict[Text, dict[Text, Any]]
    size: Count

    @property
    def weights(self) -> dict[str, float]:
        return self.tasks if isinstance(self.tasks, dict) else {self.tasks: 1.0}


@section
class PartSection:
    """weight: how often a problem is of this part, beside the others."""

    weight: Positive


@section
class AdditionPart(PartSection, AdditionData):
    pass


@section
class FilePart(PartSection, FileData):
    pass


@section
class HubPart(PartSection, HubData):
    pass


@section
class PublishedPart(PartSection, PublishedData):
    pass


@section
class PublishedTestPart(PartSection, PublishedTest):
    pass


@section
class ReasoningGymPart(PartSection, ReasoningGymData):
    pass


PartConfig = Annotated[
    AdditionPart | FilePart | HubPart | PublishedPart | PublishedTestPart | ReasoningGymPart,
    Field(discriminator="kind"),
]


@section
class MixtureData:
    """Several datasets as one, by name. config/parts.py fills them in from what a user says of them."""

    kind: Literal["mixture"]
    parts: dict[Text, PartConfig]


SourceConfig = AdditionData | FileData | HubData | PublishedData | PublishedTest | ReasoningGymData
DatasetConfig = Annotated[SourceConfig | MixtureData, Field(discriminator="kind")]


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
class ExactReward:
    kind: Literal["exact"]
    answer_after: str | None


@section
class MathReward:
    kind: Literal["math"]


@section
class PythonReward:
    kind: Literal["python"]
    path: Text
    function: Text
    correct: Annotated[float, Strict(), Field(allow_inf_nan=False)] | Text | None = None  # as in earlier versions


@section
class TaskReward:
    kind: Literal["task"]
    answer_after: Text | None
    answer_before: Text | None
    correct: Annotated[float, Gt(0), Le(1)]


PartReward = Annotated[ExactReward | MathReward | PythonReward | TaskReward, Field(discriminator="kind")]


@section
class ExactRewardSection(ExactReward, RewardSection):
    pass


@section
class MathRewardSection(MathReward, RewardSection):
    pass


@section
class PythonRewardSection(PythonReward, RewardSection):
    pass


@section
class TaskRewardSection(TaskReward, RewardSection):
    pass


@section
class MixtureRewardSection(RewardSection):
    """Of a mixture of datasets. parts: the reward of each of its parts, by name."""

    kind: Literal["mixture"]
    parts: dict[Text, PartReward]


@section
class FunctionRewardSection(RewardSection):
    """A function that a program gave to its `Session`; it has a name, and cannot be had from a configuration."""

    kind: Literal["function"]
    name: Text
    correct: Annotated[float, Strict(), Field(allow_inf_nan=False)] | Text | None


RewardConfig = Annotated[
    ExactRewardSection
    | MathRewardSection
    | PythonRewardSection
    | TaskRewardSection
    | MixtureRewardSection
    | FunctionRewardSection,
    Field(discriminator="kind"),
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
class MaskSection:
    level: Literal["none", "token", "sequence", "sequence_mean"] = "none"
    low: Annotated[float, Ge(0), Le(1)] = 0.5
    high: Annotated[float, Ge(1), Field(allow_inf_nan=False)] = 2.0


@section
class CorrectionSection:
    """The defaults are as in earlier versions. cap: null is no bound."""

    level: Literal["none", "token", "sequence"]
    floor: Annotated[float, Ge(0), Le(1)] = 0.0
    cap: Positive | None
    mask: MaskSection = field(default_factory=MaskSection)
    mask_negative_above: Positive | None = None

    @property
    def compares(self) -> bool:
        """Whether ratios start from the trainer's log-probabilities, which are computed beside the sampler's."""
        return self.level != "none" or self.mask.level != "none"


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
    keep_best: Text | None = None  # as in earlier versions


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
    targets: Literal["all-linear"] | Annotated[list[Text], MinLen(1)] = "all-linear"  # as in earlier versions
    rslora: bool = False  # as in earlier versions


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
    """kind and processes: the defaults are as in earlier versions. processes: ranks; torchrun may have started them."""

    kind: Literal["single", "ddp"] = "single"
    processes: Count = 1
    device: Literal["auto", "cpu", "cuda"]
    threads: Whole
    precision: Literal["auto", "float32", "bfloat16"]
    tokens_per_microbatch: Whole
    tokens_per_generation: Whole
    gradient_checkpointing: bool = False  # as in earlier versions


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

    @property
    def sources(self) -> tuple[str, ...]:
        """The parts that metrics are told of by name, where the dataset is a mixture."""
        if isinstance(self.dataset, MixtureData):
            return tuple(self.dataset.parts)
        tasks = tuple(self.dataset.weights) if isinstance(self.dataset, ReasoningGymData) else ()
        return tasks if len(tasks) > 1 else ()


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
