"""The section `objective`, with its gate."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Discriminator, Field, Tag

from sspo_cli.config.sections.base import Count, NonNegative, Positive, section


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
