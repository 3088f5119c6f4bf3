"""What sections of the configuration are made of: a frozen dataclass each, and the kinds of numbers and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeVar, dataclass_transform

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import ConfigDict, Field, Strict

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
