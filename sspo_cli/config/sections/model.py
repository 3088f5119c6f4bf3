"""The section `model`."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field

from sspo_cli.config.sections.base import Count, Text, section


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
