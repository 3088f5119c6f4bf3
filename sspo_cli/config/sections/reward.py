"""The section `reward`: what gives a response its reward, and where that runs."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, Strict

from sspo_cli.config.sections.base import Text, section

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
