"""The sections of how training, sampling and evaluation go, of the engine and of trackers."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from annotated_types import MinLen
from pydantic import Field

from sspo_cli.config.sections.base import Count, NonNegative, Positive, Text, Whole, section


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


SamplerKind = Literal["native", "generate", "vllm"]
OF_VLLM = ".venv-vllm/bin/python"


@section
class SamplerSection:
    kind: SamplerKind = "native"  # see earlier.py, for all
    python: Text = OF_VLLM
    stop: list[Text] = field(default_factory=list)


@section
class RolloutSection(SamplerSection):
    max_response_length: Count
    temperature: Positive
    staleness: Whole
    source: Literal["in_order", "overlapped"] = "in_order"  # see earlier.py


@section
class EvalSection:
    problems: Count
    samples: Count
    temperature: NonNegative
    max_response_length: Count


@section
class EngineSection:
    """kind, processes, gradient_checkpointing: the defaults are as in earlier versions."""

    kind: Literal["single", "ddp", "fsdp"] = "single"
    processes: Count = 1
    device: Literal["auto", "cpu", "cuda"]
    threads: Whole
    precision: Literal["auto", "float32", "bfloat16"]
    tokens_per_microbatch: Whole
    tokens_per_generation: Whole
    gradient_checkpointing: bool = False


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
