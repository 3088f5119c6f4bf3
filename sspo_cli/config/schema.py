"""The typed configuration: one frozen dataclass per section, checked by pydantic, handed to the engine as it is.

Defaults live in conf/, never here. A section that comes in kinds is a union told apart by `kind` (gates by `name`). The
sections stand in sections/, by what they configure; here they are put together, and others import them from here.
"""

from __future__ import annotations

from typing import Literal

from sspo_cli.config.sections.base import Count, Fraction, NonNegative, Positive, Text, Whole, section
from sspo_cli.config.sections.dataset import (
    AdditionData,
    AdditionPart,
    DatasetConfig,
    FileData,
    FilePart,
    HeldOut,
    HubData,
    HubPart,
    MixtureData,
    PartConfig,
    PartSection,
    PromptSection,
    PublishedData,
    PublishedPart,
    PublishedSection,
    PublishedTest,
    PublishedTestPart,
    ReasoningGymData,
    ReasoningGymPart,
    RowsSection,
    SourceConfig,
)
from sspo_cli.config.sections.model import (
    HubModel,
    LocalModel,
    ModelConfig,
    ScratchModel,
    TemplateSection,
    TinyModel,
    WeightsSection,
)
from sspo_cli.config.sections.objective import (
    Calibration,
    CapGateSection,
    ClipGateSection,
    CorrectionSection,
    GammaGateSection,
    GateConfig,
    KlSection,
    LogClipGateSection,
    ObjectiveConfig,
    OverlongSection,
    PlainGateSection,
    Saturation,
    SoftGateSection,
    WidthAt,
)
from sspo_cli.config.sections.reward import (
    ExactReward,
    ExactRewardSection,
    FunctionRewardSection,
    MathReward,
    MathRewardSection,
    MixtureRewardSection,
    PartReward,
    PythonReward,
    PythonRewardSection,
    RewardConfig,
    RewardSection,
    SpecialTokens,
    TaskReward,
    TaskRewardSection,
)
from sspo_cli.config.sections.training import (
    BatchSection,
    EngineSection,
    EvalSection,
    LoraSection,
    NoTracker,
    OptimSection,
    RolloutSection,
    SamplerKind,
    SamplerSection,
    TensorboardTracker,
    TrackerConfig,
    TrackioTracker,
    TrainSection,
    WandbTracker,
)

__all__ = [
    "AdditionData",
    "AdditionPart",
    "BatchSection",
    "Calibration",
    "CapGateSection",
    "ClipGateSection",
    "CompareConfig",
    "CompareSection",
    "CorrectionSection",
    "Count",
    "DatasetConfig",
    "EngineSection",
    "EvalConfig",
    "EvalSection",
    "ExactReward",
    "ExactRewardSection",
    "FileData",
    "FilePart",
    "Fraction",
    "FunctionRewardSection",
    "GammaGateSection",
    "GateConfig",
    "GridConfig",
    "HeldOut",
    "HubData",
    "HubModel",
    "HubPart",
    "KlSection",
    "LocalModel",
    "LogClipGateSection",
    "LoraSection",
    "MathReward",
    "MathRewardSection",
    "MixtureData",
    "MixtureRewardSection",
    "ModelConfig",
    "NoTracker",
    "NonNegative",
    "ObjectiveConfig",
    "OptimSection",
    "OverlongSection",
    "PartConfig",
    "PartReward",
    "PartSection",
    "PlainGateSection",
    "Positive",
    "PromptSection",
    "PublishedData",
    "PublishedPart",
    "PublishedSection",
    "PublishedTest",
    "PublishedTestPart",
    "PythonReward",
    "PythonRewardSection",
    "ReasoningGymData",
    "ReasoningGymPart",
    "RewardConfig",
    "RewardSection",
    "RolloutSection",
    "RowsSection",
    "SamplerKind",
    "SamplerSection",
    "Saturation",
    "ScratchModel",
    "SoftGateSection",
    "SourceConfig",
    "SpecialTokens",
    "SweepConfig",
    "SweepSection",
    "TaskReward",
    "TaskRewardSection",
    "TemplateSection",
    "TensorboardTracker",
    "Text",
    "TinyModel",
    "TrackerConfig",
    "TrackioTracker",
    "TrainConfig",
    "TrainSection",
    "WandbTracker",
    "WeightsSection",
    "Whole",
    "WidthAt",
    "section",
]


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
